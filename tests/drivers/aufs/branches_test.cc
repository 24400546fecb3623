// What the kernel's aufs is told, byte by byte.
#include "drivers/aufs/branches.h"

#include <gtest/gtest.h>
#include <sys/mount.h>

#include <algorithm>

#include "core/util/error.h"

namespace cairn::aufs {

namespace {

std::vector<LayerId> parents(size_t count) {
  std::vector<LayerId> out;
  for (size_t i = 0; i < count; ++i) {
    const std::string number = std::to_string(i);
    out.emplace_back(std::string(64 - number.size(), '0') + number);
  }
  return out;
}
const LayerId kTop{std::string(64, 'f')};

std::vector<MountSpec> steps(const std::string& root, size_t count, Access access = Access::read_write,
                             bool dirperm1 = true) {
  return mount_steps(root + "/aufs", kTop, parents(count), access, "/t", 4096, dirperm1);
}

size_t branches_in(const MountSpec& step) {
  size_t count = 0;
  for (size_t at = step.data.find("=ro+wh"); at != std::string::npos; at = step.data.find("=ro+wh", at + 1)) ++count;
  return count;
}

}  // namespace

TEST(AufsOptions, AreTheEngines) {
  const std::string parent = parents(1)[0].str();
  const auto one = steps("/var/lib/docker", 1);
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].data, "br:/var/lib/docker/aufs/diff/" + kTop.str() + "=rw:/var/lib/docker/aufs/diff/" + parent +
                             "=ro+wh,dio,xino=/dev/shm/aufs.xino,dirperm1");
  EXPECT_EQ(one[0].type, "aufs");
  EXPECT_EQ(one[0].flags, 0ul);
  EXPECT_EQ(one[0].directory, "");
  const auto read_only = steps("/d", 1, Access::read_only, false);
  EXPECT_EQ(read_only[0].data,
            "br:/d/aufs/diff/" + kTop.str() + "=ro+wh:/d/aufs/diff/" + parent + "=ro+wh,dio,xino=/dev/shm/aufs.xino");
  EXPECT_EQ(read_only[0].flags, static_cast<unsigned long>(MS_RDONLY));
}

TEST(AufsOptions, FillAPageAndThenOthers) {
  const auto all = steps("/var/lib/docker", 126);
  ASSERT_EQ(all.size(), 4u);
  EXPECT_EQ(branches_in(all[0]), 40u);
  EXPECT_EQ(branches_in(all[1]), 38u);
  EXPECT_EQ(branches_in(all[2]), 38u);
  EXPECT_EQ(branches_in(all[3]), 10u);
  EXPECT_EQ(all[1].data.size(), 38u * 104);
  EXPECT_EQ(all[1].flags, static_cast<unsigned long>(MS_REMOUNT));
  EXPECT_TRUE(all[1].data.starts_with("append:/var/lib/docker/aufs/diff/" + parents(41)[40].str() + "=ro+wh,append:"));
  EXPECT_TRUE(all[3].data.ends_with(parents(126)[125].str() + "=ro+wh,"));
  for (const auto& step : all) EXPECT_LT(step.data.size(), 4096u);
}

TEST(AufsOptions, TheLastThatFitsIsIn) {
  EXPECT_EQ(steps("/var/lib/docker", 40).size(), 1u);
  EXPECT_EQ(steps("/var/lib/docker", 41).size(), 2u);
  EXPECT_EQ(steps("/var/lib/docker", 78).size(), 2u);
  EXPECT_EQ(steps("/var/lib/docker", 79).size(), 3u);
  // 4096 - 54 = 4042 without dirperm1: as many
  EXPECT_EQ(branches_in(steps("/var/lib/docker", 126, Access::read_write, false)[0]), 40u);
}

TEST(AufsOptions, NameBranchesFromTheHomeWhereItsPathWouldBeSplit) {
  for (const char* root : {"/a:b", "/a,b", "/a=b", "/a\\b"}) {
    const auto one = steps(root, 1);
    EXPECT_TRUE(one[0].data.starts_with("br:diff/" + kTop.str() + "=rw:diff/")) << one[0].data;
    EXPECT_EQ(one[0].directory, std::string(root) + "/aufs");
    EXPECT_EQ(one[0].source, std::string(root) + "/aufs/diff/" + kTop.str());
  }
}

TEST(AufsOptions, RefuseWhatTheKernelCannot) {
  EXPECT_NO_THROW(steps("/d", 126));
  for (const auto& [root, count] : {std::pair{std::string("/d"), 127u}, {"/" + std::string(4000, 'd'), 1u}}) {
    try {
      steps(root, count);
      ADD_FAILURE() << count;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::unsupported);
    }
  }
}

}  // namespace cairn::aufs
