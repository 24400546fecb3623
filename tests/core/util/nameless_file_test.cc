#include "core/util/nameless_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/util/error.h"
#include "core/util/replace_file.h"
#include "tests/support/no_nameless_files.h"
#include "tests/support/temp_dir.h"

namespace cairn {
namespace {

using testing::HasSubstr;
using testing::Not;

std::string failure_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& e) {
    return e.what();
  }
  return "nothing was thrown";
}

class NamelessFile : public testing::Test {
 protected:
  void check() const {
    const Fd file = make_nameless_file(dir_.path().string());
    write_all(file.get(), std::string_view("content"));
    std::string back(7, '\0');
    EXPECT_EQ(::pread(file.get(), back.data(), back.size(), 0), 7);
    EXPECT_EQ(back, "content");
    struct stat st;
    ASSERT_EQ(::fstat(file.get(), &st), 0);
    EXPECT_EQ(st.st_nlink, 0u);
    EXPECT_EQ(st.st_mode & 07777, 0600u);
    EXPECT_EQ(list_dir(open_dir(dir_.path().string()).get()), std::vector<std::string>());
  }
  test::TempDir dir_;
};

TEST_F(NamelessFile, LeavesNothingInItsDirectory) { check(); }

TEST_F(NamelessFile, IsThereWhereTheFileSystemHasNoneSuch) {
  const bool done = test::without_nameless_files([&] {
    EXPECT_FALSE(try_nameless_file_at(AT_FDCWD, dir_.path().string()));
    check();
    replace_file_at(AT_FDCWD, dir_ / "named", "x", 0644);
    EXPECT_EQ(read_file_at(AT_FDCWD, dir_ / "named"), "x");
  });
  if (!done) GTEST_SKIP() << "the kernel filters no system calls";
}

TEST_F(NamelessFile, IsCalledByItsDirectory) {
  const std::string folder = dir_.path().string();
  EXPECT_THAT(failure_of([&] { make_nameless_file(folder + "/none"); }),
              HasSubstr("making a file in '" + folder + "/none': No such file"));
  const auto fails_to_write = [&] {
    const Fd file = make_nameless_file(folder);
    const Fd read_only = open_at(AT_FDCWD, "/proc/self/fd/" + std::to_string(file.get()), O_RDONLY);
    return failure_of([&] { write_all(read_only.get(), std::string_view("x")); });
  };
  const std::string want = "writing a file without a name in '" + folder + "': Bad file descriptor";
  EXPECT_EQ(fails_to_write(), want);
  test::without_nameless_files([&] { EXPECT_EQ(fails_to_write(), want); });
  test::write_file(dir_ / "named", "x");
  const Fd named = open_at(AT_FDCWD, dir_ / "named", O_RDONLY);
  EXPECT_EQ(failure_of([&] { write_all(named.get(), std::string_view("x")); }),
            "writing '" + folder + "/named': Bad file descriptor");
}

}  // namespace
}  // namespace cairn
