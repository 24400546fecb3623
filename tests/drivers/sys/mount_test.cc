#include "drivers/sys/mount.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "core/interfaces/driver.h"
#include "core/util/error.h"
#include "drivers/sys/mount_table.h"
#include "tests/support/leftover_mounts.h"
#include "tests/support/temp_dir.h"

namespace cairn {

namespace fs = std::filesystem;
using test::TempDir;

TEST(BindSpec, AsksForWhatMountNeeds) {
  const MountSpec spec = bind_spec("/from", "/to", true);
  EXPECT_EQ(spec.source, "/from");
  EXPECT_EQ(spec.target, "/to");
  EXPECT_EQ(spec.flags, static_cast<unsigned long>(MS_BIND | MS_RDONLY));
  EXPECT_EQ(bind_spec("/from", "/to", false).flags, static_cast<unsigned long>(MS_BIND));
}

class Mounting : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "mounting needs root";
    dir_ = fs::canonical(temp_.path());
    for (const char* name : {"a", "b", "to"}) fs::create_directory(dir_ / name);
    test::write_file(dir_ / "a/f", "a");
  }
  void TearDown() override { test::unmount_leftovers(temp_.path()); }
  Errc code_of(const MountSpec& spec) {
    try {
      MountGuard guard(spec);
    } catch (const Error& e) {
      message_ = e.what();
      return e.code();
    }
    ADD_FAILURE() << "it was mounted";
    return Errc::interrupted;
  }
  TempDir temp_;
  fs::path dir_;
  std::string message_;
};

TEST_F(Mounting, AGuardUnmountsWhatItMounted) {
  {
    const MountGuard guard(bind_spec(dir_ / "a", dir_ / "to", false));
    EXPECT_TRUE(is_mount_point(dir_ / "to"));
    EXPECT_EQ(test::read_file(dir_ / "to/f"), "a");
  }
  EXPECT_FALSE(is_mount_point(dir_ / "to"));
}

TEST_F(Mounting, AReleasedMountOutlivesItsGuard) {
  const fs::path target = MountGuard(bind_spec(dir_ / "a", dir_ / "to", false)).release();
  EXPECT_EQ(target, dir_ / "to");
  EXPECT_TRUE(is_mount_point(target));
  unmount(target);
}

TEST_F(Mounting, AMovedGuardOwnsTheMountAlone) {
  MountGuard first(bind_spec(dir_ / "a", dir_ / "to", false));
  {
    const MountGuard second(std::move(first));
    EXPECT_TRUE(is_mount_point(dir_ / "to"));
  }
  EXPECT_FALSE(is_mount_point(dir_ / "to"));
}

TEST_F(Mounting, ABusyMountStaysTheGuards) {
  MountGuard guard(bind_spec(dir_ / "a", dir_ / "to", false));
  {
    const Fd busy = open_dir(dir_ / "to");
    try {
      guard.unmount();
      FAIL();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::in_use);
    }
    EXPECT_EQ(guard.target(), dir_ / "to");
  }
  guard.unmount();
  EXPECT_FALSE(is_mount_point(dir_ / "to"));
}

TEST_F(Mounting, AReadOnlyBindKeepsTheOtherFlags) {
  MountSpec tmpfs;
  tmpfs.type = tmpfs.source = "tmpfs";
  tmpfs.target = dir_ / "b";
  tmpfs.flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
  const MountGuard below(tmpfs);
  const MountGuard guard(bind_spec(dir_ / "b", dir_ / "to", true));
  struct statvfs st;
  ASSERT_EQ(::statvfs((dir_ / "to").c_str(), &st), 0);
  for (const unsigned long flag : {ST_RDONLY, ST_NOSUID, ST_NODEV, ST_NOEXEC}) EXPECT_TRUE(st.f_flag & flag) << flag;
  EXPECT_EQ(::open((dir_ / "to/new").c_str(), O_CREAT | O_WRONLY, 0600), -1);
  EXPECT_GE(Fd(::open((dir_ / "b/new").c_str(), O_CREAT | O_WRONLY, 0600)).get(), 0);  // only the bind is read-only
}

TEST_F(Mounting, RelativeNamesStartAtTheSpecsDirectoryAndOurOwnStays) {
  MountSpec spec;
  spec.type = spec.source = "overlay";
  spec.target = dir_ / "to";
  spec.data = "lowerdir=a:b";
  spec.directory = dir_;
  const fs::path before = fs::current_path();
  const MountGuard guard(spec);
  EXPECT_EQ(test::read_file(dir_ / "to/f"), "a");
  EXPECT_EQ(fs::current_path(), before);
}

TEST_F(Mounting, FailuresNameObjectAndCause) {
  MountSpec spec;
  spec.source = "x";
  spec.target = dir_ / "to";
  spec.type = "nosuchfs";
  EXPECT_EQ(code_of(spec), Errc::unsupported);
  EXPECT_NE(message_.find("nosuchfs"), std::string::npos) << message_;
  EXPECT_EQ(code_of(bind_spec(dir_ / "absent", dir_ / "to", true)), Errc::not_found);
  EXPECT_NE(message_.find((dir_ / "to").string()), std::string::npos) << message_;
  spec.type = "overlay";
  spec.data = "lowerdir=/nope:/nope2";
  EXPECT_EQ(code_of(spec), Errc::not_found);
  EXPECT_NE(message_.find("/nope"), std::string::npos) << message_;
  spec.directory = dir_ / "absent";
  EXPECT_EQ(code_of(spec), Errc::not_found);
  EXPECT_FALSE(is_mount_point(dir_ / "to"));
}

TEST_F(Mounting, NothingIsWrittenBesideTheKernelsTable) {
  const auto stamp = [](const char* path) {
    std::error_code ignored;
    return fs::is_symlink(path) ? fs::file_time_type() : fs::last_write_time(path, ignored);
  };
  const auto mtab = stamp("/etc/mtab"), utab = stamp("/run/mount/utab");
  MountGuard(bind_spec(dir_ / "a", dir_ / "to", true)).unmount();
  EXPECT_EQ(stamp("/etc/mtab"), mtab);
  EXPECT_EQ(stamp("/run/mount/utab"), utab);
}

TEST_F(Mounting, WhatIsMountedBelowIsFound) {
  fs::create_directories(dir_ / "home/layer/merged");
  fs::create_directories(dir_ / "home/layer2");
  const MountGuard guard(bind_spec(dir_ / "a", dir_ / "home/layer/merged", false));
  const auto table = mount_table();
  ASSERT_EQ(mounted_below(table, dir_ / "home").size(), 1u);
  EXPECT_EQ(mounted_below(table, dir_ / "home")[0].target, dir_ / "home/layer/merged");
  EXPECT_EQ(mounted_below(table, dir_ / "home/layer/merged").size(), 1u);
  EXPECT_TRUE(mounted_below(table, dir_ / "home/layer2").empty());
  EXPECT_TRUE(mounted_below(table, dir_ / "home/lay").empty());
}

}  // namespace cairn
