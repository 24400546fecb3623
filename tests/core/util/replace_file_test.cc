#include "core/util/replace_file.h"

#include <gtest/gtest.h>
#include <sys/file.h>

#include <filesystem>

#include "core/util/error.h"
#include "core/util/fd.h"
#include "tests/support/temp_dir.h"

namespace cairn {
namespace {

using Names = std::vector<std::string>;

class ReplaceFile : public testing::Test {
 protected:
  test::TempDir dir_;
  Fd fd_ = open_dir(dir_.path().string());
};

TEST_F(ReplaceFile, GivesTheNewContentAndModeAndLeavesNothingBeside) {
  replace_file_at(fd_.get(), "a", "old", 0600);
  replace_file_at(fd_.get(), "a", "new", 0640, Durable::no);
  EXPECT_EQ(read_file_at(fd_.get(), "a"), "new");
  EXPECT_EQ(stat_at(fd_.get(), "a")->st_mode & 07777, 0640u);
  EXPECT_EQ(list_dir(fd_.get()), Names{"a"});
}

TEST_F(ReplaceFile, WhereItCannotBePutNothingIsLeft) {
  mkdir_at(fd_.get(), "taken", 0755);
  EXPECT_THROW(replace_file_at(fd_.get(), "taken", "x", 0600), Error);
  EXPECT_THROW(replace_file_at(fd_.get(), "nowhere/a", "x", 0600), Error);
  EXPECT_EQ(list_dir(fd_.get()), Names{"taken"});
}

TEST_F(ReplaceFile, WhatLostItsMakerIsRemoved) {
  for (const char* name : {".tmp-cairn-dead", ".tmp-cairn-busy", "tmp-cairn-other"}) test::write_file(dir_ / name, "x");
  std::filesystem::create_symlink("tmp-cairn-other", dir_ / ".tmp-cairn-link");
  const Fd busy = open_at(fd_.get(), ".tmp-cairn-busy", O_RDONLY);
  ASSERT_EQ(::flock(busy.get(), LOCK_EX), 0);
  remove_abandoned_files(fd_.get());
  EXPECT_EQ(list_dir(fd_.get()), (Names{".tmp-cairn-busy", ".tmp-cairn-link", "tmp-cairn-other"}));
}

}  // namespace
}  // namespace cairn
