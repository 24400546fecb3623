#include "core/util/remapped_root.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

TEST(RemappedRoot, IsNamedByTwoIds) {
  const auto found = remapped_root(std::string_view("231072.100000"));
  ASSERT_TRUE(found);
  EXPECT_EQ(found->uid, 231072u);
  EXPECT_EQ(found->gid, 100000u);
  for (const char* name : {"", ".", "1.", ".1", "1", "1.2.3", "a.1", "1.a", "-1.1", "99999999999.1", "overlay2"})
    EXPECT_FALSE(remapped_root(std::string_view(name))) << name;
}

TEST(RemappedRoot, IsToldByTheLastComponent) {
  for (const char* path : {"/var/lib/docker/5.6", "/var/lib/docker/5.6/", "5.6", "./5.6/."})
    EXPECT_TRUE(remapped_root(std::filesystem::path(path))) << path;
  EXPECT_FALSE(remapped_root(std::filesystem::path("/5.6/docker")));
}

TEST(RemappedRoot, IdsOutsideTheRangeStay) {
  const IdBase ids{100, 200};
  EXPECT_EQ(ids.in_container(100), 0u);
  EXPECT_EQ(ids.in_container(99), 99u);
  EXPECT_EQ(ids.group_in_container(205), 5u);
  EXPECT_EQ(IdBase().in_container(7), 7u);
}

}  // namespace
}  // namespace cairn
