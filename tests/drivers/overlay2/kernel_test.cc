// overlay2 against the kernel's own overlayfs: layers that only the kernel writes, and the limits of mounting.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdio>
#include <fstream>

#include "core/util/error.h"
#include "drivers/overlay2/overlay2.h"
#include "drivers/sys/mount.h"
#include "drivers/sys/mount_table.h"
#include "drivers/sys/overlay.h"
#include "tests/support/leftover_mounts.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tree_listing.h"

namespace cairn {

namespace fs = std::filesystem;
using test::listing_of;
using test::listing_of_directory;
using test::TempDir;

class Overlay2OnKernel : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "mounting needs root";
    open(root_.path());
    if (!driver_->probe().mountable) GTEST_SKIP() << "overlay2 does not mount here: " << driver_->probe().why_not;
  }
  void TearDown() override {
    for (const auto* dir : {&beside_, &root_}) test::unmount_leftovers(dir->path());
  }
  void open(const fs::path& root) {
    driver_ = open_overlay2(root);
    driver_->create(LayerId("base"), std::nullopt);
    home_ = path_of(driver_->home_fd());
    target_ = fs::canonical(beside_.path());
  }
  void fill(const LayerId& id, const std::optional<LayerId>& parent,
            const std::function<void(const fs::path&)>& write) {
    const auto layer = driver_->begin(id);
    write(path_of(layer->root_fd()));
    layer->finish(parent, {"."});
  }
  // Mounts `id` as an engine would on a kernel with these defaults, and lets `write` loose on it. What the kernel
  // showed.
  test::TreeListing write_with(const LayerId& id, std::vector<std::string> lowers,
                               const std::vector<std::string>& options,
                               const std::function<void(const fs::path&)>& write) {
    for (auto& lower : lowers) lower += "/diff";
    const OverlayLayers layers{lowers, id.str() + "/diff", id.str() + "/work"};
    const MountGuard guard(overlay_spec(home_, layers, options, target_, static_cast<size_t>(::getpagesize())));
    write(target_);
    return listing_of_directory(target_);
  }
  void expect_same_everywhere(const LayerId& id, const test::TreeListing& wanted) {
    EXPECT_EQ(listing_of(driver_->tree(id)), wanted) << "in user space";
    driver_->mount(id, Access::read_only, target_);
    EXPECT_EQ(listing_of_directory(target_), wanted) << "mounted again";
    unmount(target_);
  }
  TempDir root_, beside_;
  std::unique_ptr<Driver> driver_;
  fs::path home_, target_;
};

static bool has_xattr(const fs::path& path, const char* name) {
  return ::lgetxattr(path.c_str(), name, nullptr, 0) >= 0;
}

static void write_base(const fs::path& root) {
  fs::create_directories(root / "dir/sub/deep");
  for (const char* name : {"dir/f", "dir/sub/g", "dir/sub/deep/h", "top", "linked"})
    test::write_file(root / name, std::string("base ") + name);
  fs::create_hard_link(root / "linked", root / "linked2");
  fs::create_directories(root / "opaque/old");
  fs::create_directory(root / "gone");
}

TEST_F(Overlay2OnKernel, RenamedDirectoriesAreFollowed) {
  const LayerId one("one"), two("two"), three("three");
  fill(one, std::nullopt, write_base);
  driver_->create(two, one);
  const auto second = write_with(two, {"one"}, {"redirect_dir=on"}, [&](const fs::path& root) {
    fs::rename(root / "dir", root / "moved");
    fs::rename(root / "moved/sub", root / "sub-at-top");
    test::write_file(root / "moved/new", "new");
  });
  ASSERT_TRUE(has_xattr(home_ / "two/diff/moved", "trusted.overlay.redirect"));
  expect_same_everywhere(two, second);
  driver_->create(three, two);
  const auto third = write_with(three, {"two", "one"}, {"redirect_dir=on"}, [&](const fs::path& root) {
    fs::rename(root / "moved", root / "moved-again");
    fs::create_directory(root / "dir");
    test::write_file(root / "dir/f", "another");
    fs::remove(root / "moved-again/f");
    fs::rename(root / "sub-at-top/deep", root / "moved-again/deep");
  });
  expect_same_everywhere(three, third);
}

// As a read-only disk image is made writable: the overlay shows whiteouts, but no opaque mark.
TEST_F(Overlay2OnKernel, AStoreSeenThroughAnOverlayIsNotReadWithWhatItDeleted) {
  const LayerId one("one"), two("two");
  fill(one, std::nullopt, write_base);
  fill(two, one, [](const fs::path& root) { fs::create_directory(root / "opaque"); });
  const TempDir above;
  for (const char* name : {"upper", "work"}) fs::create_directory(above / name);
  MountSpec spec;
  spec.type = spec.source = "overlay", spec.target = target_;
  spec.data = "lowerdir=" + root_.path().string() + ",upperdir=" + (above / "upper").string() +
              ",workdir=" + (above / "work").string();
  const MountGuard overlay(spec);
  const auto seen = open_overlay2(target_);
  EXPECT_EQ(listing_of(seen->tree(one)), listing_of(driver_->tree(one))) << "nothing lies below it";
  const TempDir place;
  const auto refused = [](const auto& body) {
    try {
      body();
    } catch (const Error& e) {
      return e.code() == Errc::unsupported;
    }
    return false;
  };
  EXPECT_TRUE(refused([&] { seen->tree(two); }));
  EXPECT_TRUE(refused([&] { seen->mount(two, Access::read_only, fs::canonical(place.path())); }));
}

TEST_F(Overlay2OnKernel, FilesCopiedUpWithoutTheirDataHaveIt) {
  const LayerId one("one"), two("two"), three("three");
  fill(one, std::nullopt, write_base);
  driver_->create(two, one);
  const auto second = write_with(two, {"one"}, {"metacopy=on", "redirect_dir=on"}, [](const fs::path& root) {
    ASSERT_EQ(::chmod((root / "top").c_str(), 0600), 0);
    ASSERT_EQ(::chown((root / "dir/f").c_str(), 5, 6), 0);
    fs::rename(root / "top", root / "renamed");
    fs::rename(root / "dir/f", root / "dir/sub/f");
    fs::rename(root / "dir/sub", root / "sub");
  });
  ASSERT_TRUE(has_xattr(home_ / "two/diff/renamed", "trusted.overlay.metacopy"));
  expect_same_everywhere(two, second);
  driver_->create(three, two);
  const auto third = write_with(three, {"two", "one"}, {"metacopy=on", "redirect_dir=on"}, [](const fs::path& root) {
    ASSERT_EQ(::chmod((root / "renamed").c_str(), 0640), 0);
    std::ofstream(root / "sub/f", std::ios::app) << " changed";
  });
  expect_same_everywhere(three, third);
}

TEST_F(Overlay2OnKernel, WhiteoutsOpaqueDirectoriesAndLinksOfTheKernelsOwn) {
  const LayerId one("one"), two("two");
  fill(one, std::nullopt, write_base);
  driver_->create(two, one);
  const auto second = write_with(two, {"one"}, {"index=off"}, [](const fs::path& root) {
    fs::remove_all(root / "opaque");
    fs::create_directories(root / "opaque/new");
    fs::remove(root / "gone");
    fs::remove(root / "linked2");
    fs::create_hard_link(root / "linked", root / "linked3");
    fs::remove_all(root / "dir/sub");
    test::write_file(root / "dir/sub", "a file now");
  });
  ASSERT_TRUE(has_xattr(home_ / "two/diff/opaque", "trusted.overlay.opaque"));
  expect_same_everywhere(two, second);
}

TEST_F(Overlay2OnKernel, AHundredAndTwentyEightLowersMountBelowALongPath) {
  const fs::path root = root_ / std::string(200, 'a') / std::string(200, 'b') / std::string(200, 'c');
  fs::create_directories(root);
  open(root);
  LayerId below("base");
  for (int i = 1; i <= 128; ++i) {
    const LayerId id(std::string(60, 'f') + std::to_string(1000 + i));
    fill(id, below,
         [&](const fs::path& own) { test::write_file(own / ("file" + std::to_string(i)), std::to_string(i)); });
    below = id;
  }
  driver_->mount(below, Access::read_only, target_);
  EXPECT_EQ(listing_of_directory(target_).size(), 129u);
  EXPECT_EQ(listing_of_directory(target_), listing_of(driver_->tree(below)));
  unmount(target_);
  const LayerId last_parent(std::string(60, 'f') + std::to_string(1127)), container("container");
  driver_->create(container, last_parent);
  driver_->mount(container, Access::read_write, target_);
  test::write_file(target_ / "written", "w");
  EXPECT_EQ(listing_of_directory(target_).size(), 129u);
  unmount(target_);
  EXPECT_TRUE(fs::exists(root / "overlay2/container/diff/written"));
}

TEST_F(Overlay2OnKernel, ALayerOthersLieOnIsNotMountedForWriting) {
  const LayerId one("one"), two("two");
  fill(one, LayerId("base"), write_base);
  driver_->create(two, one);
  for (const char* id : {"one", "base"}) {
    try {
      driver_->mount(LayerId(id), Access::read_write, target_);
      FAIL();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::invalid);
    }
    EXPECT_FALSE(is_mount_point(target_));
  }
}

TEST_F(Overlay2OnKernel, ALayerIsMountedForWritingOnce) {
  const LayerId one("one"), two("two");
  fill(one, std::nullopt, write_base);
  driver_->create(two, one);
  driver_->mount(two, Access::read_write, target_);
  fs::create_directory(root_ / "other");
  try {
    driver_->mount(two, Access::read_write, root_ / "other");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::in_use);
    EXPECT_NE(std::string(e.what()).find(target_.string()), std::string::npos) << e.what();
  }
  unmount(target_);
}

TEST_F(Overlay2OnKernel, AMountThatTheEngineMadeKeepsItsLayers) {
  const LayerId one("one"), two("two");
  fill(one, std::nullopt, write_base);
  driver_->create(two, one);
  fs::create_directory(home_ / "two/merged");
  const std::string link = test::read_file(home_ / "one/link");
  const OverlayLayers layers{{"l/" + link}, "two/diff", "two/work"};
  const MountGuard guard(overlay_spec(home_, layers, {"index=off"}, home_ / "two/merged", 4096));
  for (const auto& id : {one, two}) {
    try {
      driver_->remove(id);
      FAIL();
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::in_use);
    }
  }
}

TEST_F(Overlay2OnKernel, AStoreOnAReadOnlyFileSystemIsReadAndMounted) {
  const LayerId one("one"), two("two");
  fill(one, std::nullopt, write_base);
  driver_->create(two, one);
  const TempDir shown;
  const MountGuard read_only(bind_spec(root_.path(), fs::canonical(shown.path()), true));
  const auto driver = open_overlay2(shown.path());
  const DriverStatus status = driver->probe();
  EXPECT_TRUE(status.readable);
  EXPECT_FALSE(status.writable);
  EXPECT_TRUE(status.mountable);
  EXPECT_NE(status.why_not.find("read-only"), std::string::npos) << status.why_not;
  EXPECT_THROW(driver->create(LayerId("three"), two), Error);
  driver->mount(two, Access::read_only, target_);
  EXPECT_EQ(listing_of_directory(target_), listing_of(driver->tree(two)));
  unmount(target_);
}

TEST_F(Overlay2OnKernel, WorkBelongsToWhomItBelongedTo) {
  const LayerId one("one"), two("two");
  fill(one, std::nullopt, write_base);
  driver_->create(two, one);
  ASSERT_EQ(::chown((home_ / "two/work").c_str(), 231072, 231072), 0);
  driver_->mount(two, Access::read_write, target_);
  struct stat st;
  ASSERT_EQ(::stat((home_ / "two/work/work").c_str(), &st), 0);
  EXPECT_EQ(st.st_uid, 231072u);
  unmount(target_);
}

TEST_F(Overlay2OnKernel, ALostWorkDirectoryIsSaidToBeLost) {
  const LayerId one("one"), two("two");
  fill(one, std::nullopt, write_base);
  driver_->create(two, one);
  fs::remove_all(home_ / "two/work");
  try {
    driver_->mount(two, Access::read_write, target_);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::corrupt);
  }
}

}  // namespace cairn
