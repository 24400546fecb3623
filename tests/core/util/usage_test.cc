#include "core/util/usage.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "core/util/fd.h"
#include "tests/support/temp_dir.h"

namespace cairn {

namespace fs = std::filesystem;

TEST(Usage, CountsEachInodeOnceAndNoDirectories) {
  const test::TempDir dir;
  test::write_file(dir / "a", std::string(1000, 'x'));
  fs::create_hard_link(dir / "a", dir / "b");
  fs::create_directories(dir / "sub/deeper");
  test::write_file(dir / "sub/deeper/c", "12345");
  fs::create_symlink("target", dir / "sub/link");
  ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);
  const Usage usage = usage_of(open_dir(dir.path()).get());
  EXPECT_EQ(usage.content, 1000 + 5 + 6);
}

TEST(Usage, AHoleIsContentButNoSpace) {
  const test::TempDir dir;
  test::write_file(dir / "hole", "");
  fs::resize_file(dir / "hole", 64 << 20);
  const Usage usage = usage_of(open_dir(dir.path()).get());
  EXPECT_EQ(usage.content, 64 << 20);
  EXPECT_LT(usage.on_disk, 1u << 20);
}

}  // namespace cairn
