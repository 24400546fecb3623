#include "drivers/overlay/overlay.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "core/util/error.h"
#include "drivers/sys/mount_table.h"
#include "tests/support/leftover_mounts.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tree_listing.h"

namespace cairn {

namespace fs = std::filesystem;
using test::listing_of;
using test::listing_of_directory;
using test::TempDir;

// A root that Docker 1.9.1 wrote.
class OverlayV1 : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "the tree has devices and owners: unpacking it needs root";
    const std::string command =
        "tar -xzf '" CAIRN_FIXTURES
        "/tiny-1.9.1-overlay-before.tar.gz' --xattrs --xattrs-include='*' --numeric-owner -C '" +
        root_.path().string() + "'";
    ASSERT_EQ(std::system(command.c_str()), 0);
    home_ = root_ / "docker/overlay";
    driver_ = open_overlay(root_ / "docker");
    for (const auto& id : driver_->list())
      (fs::exists(home_ / id.str() / "root") ? images_ : containers_).push_back(id);
  }
  void TearDown() override {
    for (const auto* dir : {&beside_, &root_}) test::unmount_leftovers(dir->path());
  }
  Errc code_of(const std::function<void()>& body) {
    try {
      body();
    } catch (const Error& e) {
      return e.code();
    }
    ADD_FAILURE() << "nothing was thrown";
    return Errc::interrupted;
  }
  TempDir root_, beside_;
  fs::path home_;
  std::unique_ptr<Driver> driver_;
  std::vector<LayerId> images_, containers_;
};

TEST_F(OverlayV1, ListsImagesAndContainers) {
  EXPECT_EQ(images_.size(), 12u);
  EXPECT_EQ(containers_.size(), 4u);  // two, each with its init layer
  for (const auto& id : images_) EXPECT_TRUE(driver_->exists(id));
  EXPECT_EQ(code_of([&] { driver_->tree(LayerId("ghost")); }), Errc::not_found);
}

TEST_F(OverlayV1, AnImageIsItsRoot) {
  for (const auto& id : images_)
    EXPECT_EQ(listing_of(driver_->tree(id)), listing_of_directory(home_ / id.str() / "root"));
}

TEST_F(OverlayV1, TheKernelShowsTheSame) {
  if (!driver_->probe().mountable) GTEST_SKIP() << "mounting needs root";
  for (const auto& ids : {images_, containers_})
    for (const auto& id : ids) {
      driver_->mount(id, Access::read_only, beside_.path());
      EXPECT_EQ(listing_of_directory(beside_.path()), listing_of(driver_->tree(id))) << id.str();
      unmount(beside_.path());
    }
  const LayerId container = containers_[0];
  driver_->mount(container, Access::read_write, beside_.path());
  test::write_file(beside_ / "written", "w");
  EXPECT_EQ(listing_of_directory(beside_.path()), listing_of(driver_->tree(container)));
  EXPECT_EQ(code_of([&] { driver_->mount(container, Access::read_write, root_.path()); }), Errc::in_use);
  unmount(beside_.path());
  EXPECT_TRUE(fs::exists(home_ / container.str() / "upper/written"));
}

TEST_F(OverlayV1, ImagesAreNeverMountedForWriting) {
  EXPECT_EQ(code_of([&] { driver_->mount(images_[0], Access::read_write, beside_.path()); }), Errc::invalid);
  EXPECT_FALSE(is_mount_point(fs::canonical(beside_.path())));
}

TEST_F(OverlayV1, WritingIsRefusedWithAWayOut) {
  EXPECT_EQ(code_of([&] { driver_->create(LayerId("new"), std::nullopt); }), Errc::unsupported);
  EXPECT_EQ(code_of([&] { driver_->begin(LayerId("new")); }), Errc::unsupported);
  EXPECT_EQ(code_of([&] { driver_->remove(images_[0]); }), Errc::unsupported);
  const DriverStatus status = driver_->probe();
  EXPECT_TRUE(status.readable);
  EXPECT_FALSE(status.writable);
  EXPECT_NE(status.remedy.find("overlay2"), std::string::npos);
  EXPECT_TRUE(driver_->exists(images_[0]));
}

TEST_F(OverlayV1, ADamagedContainerIsNamed) {
  const fs::path lower = home_ / containers_[0].str() / "lower-id";
  const std::string good = test::read_file(lower);
  for (const char* bad : {"", "../../etc", "a/b", "\n", "..", "absent"}) {
    test::write_file(lower, bad);
    EXPECT_EQ(code_of([&] { driver_->tree(containers_[0]); }), Errc::corrupt) << bad;
  }
  test::write_file(lower, good + "\n");
  EXPECT_NO_THROW(driver_->tree(containers_[0]));
  fs::remove_all(home_ / images_[0].str() / "root");
  EXPECT_EQ(code_of([&] { driver_->tree(images_[0]); }), Errc::corrupt);
}

}  // namespace cairn
