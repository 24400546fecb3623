#include "drivers/btrfs/btrfs.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <linux/fiemap.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <optional>

#include "core/util/error.h"
#include "drivers/btrfs/subvolume.h"
#include "drivers/sys/mount.h"
#include "tests/support/loop_file_system.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tree_listing.h"

namespace cairn {

namespace fs = std::filesystem;
using test::listing_of;
using test::TempDir;

static Errc code_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& e) {
    return e.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return Errc::interrupted;
}

class Btrfs : public testing::Test {
 protected:
  void SetUp() override {
    try {
      root_.emplace(test::btrfs_place());
    } catch (const Error& e) {
      GTEST_SKIP() << "no btrfs here: " << e.what();
    }
    driver_ = open_btrfs(root_->path());
    driver_->create(base_, std::nullopt);
  }
  fs::path dir(const LayerId& id) const { return *root_ / "btrfs/subvolumes" / id.str(); }
  fs::path home() const { return *root_ / "btrfs/subvolumes"; }
  static struct stat stat_of(const fs::path& path) {
    struct stat st {};
    EXPECT_EQ(::lstat(path.c_str(), &st), 0) << path;
    return st;
  }
  static bool is_subvolume(const fs::path& path) { return btrfs::is_subvolume(open_dir(path).get()); }
  static void make_subvolume(const fs::path& path) {
    btrfs::create_subvolume(open_dir(path.parent_path()).get(), path.filename(), 0755);
  }
  std::optional<TempDir> root_;
  std::unique_ptr<Driver> driver_;
  const LayerId base_{"base"}, child_{"child"};
};

static uint64_t first_block(const fs::path& path) {
  const Fd file = open_at(AT_FDCWD, path, O_RDONLY);
  alignas(fiemap) char room[sizeof(fiemap) + sizeof(fiemap_extent)] = {};
  auto& map = *reinterpret_cast<fiemap*>(room);
  map.fm_length = FIEMAP_MAX_OFFSET;
  map.fm_flags = FIEMAP_FLAG_SYNC;
  map.fm_extent_count = 1;
  EXPECT_EQ(::ioctl(file.get(), FS_IOC_FIEMAP, &map), 0);
  EXPECT_EQ(map.fm_mapped_extents, 1u) << path;
  return map.fm_extents[0].fe_physical;
}

TEST_F(Btrfs, LaysOutItsDirectoriesAsTheEngineDoes) {
  driver_->create(child_, base_);
  EXPECT_EQ(stat_of(home()).st_mode & 07777, 0710u);  // 0700 up to 20.10.8
  EXPECT_EQ(stat_of(dir(base_)).st_mode & 07777, 0755u);
  EXPECT_EQ(stat_of(dir(base_)).st_ino, 256u);
  EXPECT_EQ(stat_of(dir(child_)).st_ino, 256u);
  EXPECT_EQ(list_dir(driver_->home_fd()), (std::vector<std::string>{"base", "child"}));
}

TEST_F(Btrfs, AChildSharesItsParentsBlocksAndItsOwnStage) {
  test::write_file(dir(base_) / "big", std::string(8 << 20, 'b'));
  const uint64_t block = first_block(dir(base_) / "big");
  driver_->create(child_, base_);
  EXPECT_EQ(first_block(dir(child_) / "big"), block);

  const LayerId layer("layer");
  const auto target = driver_->begin(layer);
  create_file_at(target->root_fd(), "own", std::string(1 << 20, 'o'), 0644);
  const uint64_t staged = first_block(fs::path(path_of(target->root_fd())) / "own");
  target->finish(base_, {"."});
  EXPECT_TRUE(is_subvolume(dir(layer)));
  EXPECT_EQ(first_block(dir(layer) / "big"), block);
  EXPECT_EQ(first_block(dir(layer) / "own"), staged);
}

TEST_F(Btrfs, ALayerReplacesWhatItsParentHas) {
  test::write_file(dir(base_) / "listed/old", "x");
  test::write_file(dir(base_) / "emptied/old/deep", "x");
  test::write_file(dir(base_) / "gone", "x");
  test::write_file(dir(base_) / "file", "x");
  test::write_file(dir(base_) / "tree/deep", "x");
  ASSERT_EQ(::setxattr((dir(base_) / "listed").c_str(), "trusted.parents", "1", 1, 0), 0);
  const timespec parents[2] = {{5, 0}, {500, 5}}, own[2] = {{9, 0}, {900, 9}};
  ASSERT_EQ(::utimensat(AT_FDCWD, dir(base_).c_str(), parents, 0), 0);

  const auto layer = driver_->begin(child_);
  for (const char* name : {"listed", "emptied", "file"}) mkdir_at(layer->root_fd(), name, 0710);
  create_file_at(layer->root_fd(), "listed/new", "n", 0600);
  ASSERT_EQ(::linkat(layer->root_fd(), "listed/new", layer->root_fd(), "file/link", 0), 0);
  create_file_at(layer->root_fd(), "tree", "now a file", 0600);
  layer->make_opaque(open_dir_at(layer->root_fd(), "emptied").get());
  layer->hide(layer->root_fd(), "gone");
  layer->hide(open_dir_at(layer->root_fd(), "file").get(), "absent");
  for (const char* name : {"listed", "emptied", "file"}) ASSERT_EQ(::utimensat(layer->root_fd(), name, own, 0), 0);
  layer->finish(base_, {"."});

  const fs::path out = dir(child_);
  EXPECT_EQ(list_dir(open_dir(out).get()), (std::vector<std::string>{"emptied", "file", "listed", "tree"}));
  EXPECT_EQ(list_dir(open_dir(out / "listed").get()), (std::vector<std::string>{"new", "old"}));
  EXPECT_EQ(list_dir(open_dir(out / "file").get()), (std::vector<std::string>{"link"}));
  EXPECT_TRUE(fs::is_empty(out / "emptied"));
  EXPECT_EQ(::lgetxattr((out / "emptied").c_str(), "trusted.overlay.opaque", nullptr, 0), -1);
  EXPECT_EQ(::lgetxattr((out / "listed").c_str(), "trusted.parents", nullptr, 0), -1);
  EXPECT_EQ(test::read_file(out / "tree"), "now a file");
  EXPECT_EQ(stat_of(out / "listed/new").st_ino, stat_of(out / "file/link").st_ino);
  for (const char* name : {"listed", "emptied", "file"}) {
    EXPECT_EQ(stat_of(out / name).st_mtim.tv_sec, 900) << name;
    EXPECT_EQ(stat_of(out / name).st_mtim.tv_nsec, 9) << name;
    EXPECT_EQ(stat_of(out / name).st_mode & 07777, 0710u) << name;
  }
  EXPECT_EQ(stat_of(out).st_mtim.tv_sec, 500);
  EXPECT_EQ(stat_of(out).st_mtim.tv_nsec, 5);
  EXPECT_TRUE(fs::exists(dir(base_) / "gone"));
}

TEST_F(Btrfs, NestedSubvolumesGoWithTheLayer) {
  fs::create_directories(dir(base_) / "var/lib");
  make_subvolume(dir(base_) / "var/lib/inner");
  test::write_file(dir(base_) / "var/lib/inner/d/f", "x");
  make_subvolume(dir(base_) / "var/lib/inner/d/innermost");
  make_subvolume(*root_ / "outside");
  test::write_file(*root_ / "outside/f", "kept");
  fs::create_directory_symlink(*root_ / "outside", dir(base_) / "var/lib/way-out");
  driver_->remove(base_);
  EXPECT_TRUE(driver_->list().empty());
  EXPECT_TRUE(fs::is_empty(home()));
  EXPECT_EQ(test::read_file(*root_ / "outside/f"), "kept");
  driver_->remove(base_);
}

TEST_F(Btrfs, WhatIsMountedInALayerIsNotRemoved) {
  fs::create_directory(dir(base_) / "d");
  make_subvolume(dir(base_) / "d/inner");
  make_subvolume(*root_ / "outside");
  test::write_file(*root_ / "outside/f", "kept");
  {
    const MountGuard guard(bind_spec(fs::canonical(*root_ / "outside"), fs::canonical(dir(base_) / "d"), false));
    EXPECT_EQ(code_of([&] { driver_->remove(base_); }), Errc::in_use);
    EXPECT_EQ(code_of([&] { btrfs::remove_deep(driver_->home_fd(), "base"); }), Errc::in_use);
  }
  EXPECT_TRUE(driver_->exists(base_));
  driver_->remove(base_);
  EXPECT_EQ(test::read_file(*root_ / "outside/f"), "kept");
}

TEST_F(Btrfs, ALayerMayReplaceWhatASnapshotLeavesOfANestedSubvolume) {
  fs::create_directory(dir(base_) / "d");
  make_subvolume(dir(base_) / "inner");
  make_subvolume(dir(base_) / "d/inner");
  test::write_file(dir(base_) / "inner/f", "x");
  const auto layer = driver_->begin(child_);
  mkdir_at(layer->root_fd(), "inner", 0700);
  create_file_at(layer->root_fd(), "inner/own", "o", 0600);
  layer->finish(base_, {"."});
  EXPECT_EQ(list_dir(open_dir(dir(child_) / "inner").get()), (std::vector<std::string>{"own"}));
  const LayerId without("without");
  const auto other = driver_->begin(without);
  other->hide(other->root_fd(), "inner");
  other->hide(other->root_fd(), "d");
  other->finish(base_, {"."});
  EXPECT_TRUE(fs::is_empty(dir(without)));
}

TEST_F(Btrfs, TheQuotaGoesWithTheLayer) {
  test::write_file(*root_ / "btrfs/quotas/base", "1073741824");
  test::write_file(*root_ / "btrfs/quotas/other", "1073741824");
  driver_->remove(base_);
  EXPECT_EQ(list_dir(open_dir(*root_ / "btrfs/quotas").get()), std::vector<std::string>{"other"});
  driver_->remove(LayerId("other"));  // as after a crash between the two
  EXPECT_TRUE(fs::is_empty(*root_ / "btrfs/quotas"));
}

TEST_F(Btrfs, WhatACrashLeavesIsListedAndRemoved) {
  const LayerId half("half");
  fs::create_directory(home() / ".cairn-half");
  for (const char* name : {"own", "whole"}) {
    make_subvolume(home() / ".cairn-half" / name);
    test::write_file(home() / ".cairn-half" / name / "f", "x");
  }
  EXPECT_FALSE(driver_->exists(half));
  EXPECT_EQ(driver_->list(), (std::vector{base_, half}));
  driver_->remove(half);
  EXPECT_EQ(driver_->list(), std::vector{base_});
  fs::rename(dir(base_), home() / ".cairn-base");  // as in the middle of a removal
  driver_->remove(base_);
  EXPECT_TRUE(fs::is_empty(home()));
}

TEST_F(Btrfs, APlainDirectoryIsALayerToo) {
  const LayerId plain("plain");
  test::write_file(dir(plain) / "d/f", "x");
  fs::create_hard_link(dir(plain) / "d/f", dir(plain) / "link");
  ASSERT_EQ(::chmod(dir(plain).c_str(), 0711), 0);
  EXPECT_TRUE(driver_->exists(plain));
  EXPECT_TRUE(driver_->tree(plain).find("d/f"));
  driver_->create(child_, plain);
  EXPECT_TRUE(is_subvolume(dir(child_)));
  EXPECT_EQ(listing_of(driver_->tree(child_)), listing_of(driver_->tree(plain)));
  make_subvolume(dir(plain) / "d/inner");
  driver_->remove(plain);
  EXPECT_EQ(driver_->list(), (std::vector{base_, child_}));
}

TEST_F(Btrfs, OptionsAreCheckedByName) {
  const auto opening = [&](const char* key) { return code_of([&] { open_btrfs(root_->path(), {{{key, "1G"}}}); }); };
  EXPECT_EQ(opening("size"), Errc::unsupported);
  EXPECT_EQ(opening("btrfs.min_space"), Errc::unsupported);
  EXPECT_EQ(opening("overlay2.size"), Errc::invalid);
}

TEST(BtrfsElsewhere, AnotherFileSystemIsReadAndNamed) {
  if (!test::running_as_root()) GTEST_SKIP() << "mounting needs root";
  const TempDir dir;
  MountSpec tmpfs;
  tmpfs.type = tmpfs.source = "tmpfs";
  tmpfs.target = fs::canonical(dir.path());
  const MountGuard guard(tmpfs);
  const LayerId layer("layer"), fresh("fresh");
  const auto empty = open_btrfs(dir / "root");
  EXPECT_EQ(code_of([&] { empty->create(fresh, std::nullopt); }), Errc::unsupported);
  EXPECT_EQ(code_of([&] { empty->begin(fresh); }), Errc::unsupported);
  EXPECT_FALSE(fs::exists(dir / "root"));

  test::write_file(dir / "root/btrfs/subvolumes/layer/f", "x");  // copied there from a btrfs
  const auto driver = open_btrfs(dir / "root");
  const DriverStatus status = driver->probe();
  EXPECT_TRUE(status.readable);
  EXPECT_FALSE(status.writable);
  EXPECT_NE(status.why_not.find("is on tmpfs, not btrfs"), std::string::npos) << status.why_not;
  EXPECT_NE(status.remedy.find("overlay2"), std::string::npos);
  EXPECT_TRUE(driver->tree(layer).find("f"));
  driver->remove(layer);
  EXPECT_TRUE(driver->list().empty());
}

}  // namespace cairn
