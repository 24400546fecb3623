#include "core/util/fd.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <unistd.h>

#include <filesystem>

#include "core/util/error.h"
#include "tests/support/temp_dir.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using test::TempDir;

class Files : public testing::Test {
 protected:
  TempDir dir_;
  Fd fd_ = open_dir(dir_.path().string());
};

TEST_F(Files, ReadingStopsAtTheLimit) {
  test::write_file(dir_ / "big", std::string(100, 'x'));
  try {
    read_file_at(fd_.get(), "big", 99);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::corrupt);
  }
  EXPECT_EQ(read_file_at(fd_.get(), "big", 100).size(), 100u);
}

TEST_F(Files, RemoveTreeNeverFollowsLinks) {
  test::write_file(dir_ / "victim/file", "stays");
  fs::create_directory(dir_ / "doomed");
  fs::create_symlink(dir_ / "victim", dir_ / "doomed/link");
  remove_tree_at(fd_.get(), "doomed");
  EXPECT_FALSE(fs::exists(dir_ / "doomed"));
  EXPECT_EQ(test::read_file(dir_ / "victim/file"), "stays");
  EXPECT_NO_THROW(remove_tree_at(fd_.get(), "doomed"));
}

TEST_F(Files, RemoveTreeStopsAtAMount) {
  if (!test::running_as_root()) GTEST_SKIP() << "needs root to mount";
  fs::create_directories(dir_ / "doomed/mounted");
  ASSERT_EQ(::mount("tmpfs", (dir_ / "doomed/mounted").c_str(), "tmpfs", 0, nullptr), 0);
  test::write_file(dir_ / "doomed/mounted/data", "stays");
  try {
    remove_tree_at(fd_.get(), "doomed");
    ADD_FAILURE() << "it crossed the mount";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::in_use);
  }
  EXPECT_EQ(test::read_file(dir_ / "doomed/mounted/data"), "stays");
  ::umount((dir_ / "doomed/mounted").c_str());
}

TEST(Printable, IsOneLineOfUtf8) {
  EXPECT_EQ(printable("a\nb"), "a\\x0ab");
  EXPECT_EQ(printable("\xff"), "\\xff");
  EXPECT_EQ(printable("j\xc3\xb6"), "j\xc3\xb6");
  EXPECT_EQ(printable(std::string(400, 'x'), 10), std::string(10, 'x') + "...");
}

TEST(WhileDoing, PutsTheContextInFront) {
  try {
    while_doing([] { return "outer"; }, []() -> int { throw_errno("inner", ENOSPC); });
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::no_space);
    EXPECT_STREQ(e.what(), "outer: inner: No space left on device");
  }
}

}  // namespace
}  // namespace cairn
