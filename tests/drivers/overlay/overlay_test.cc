#include "drivers/overlay/overlay.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <cstdlib>

#include "core/util/error.h"
#include "drivers/sys/mount_table.h"
#include "tests/support/fixtures.h"
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
    home_ = test::unpack_fixture("tiny-1.9.1-overlay-before", root_.path()) / "overlay";
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

static struct stat status_of(const fs::path& path) {
  struct stat st {};
  EXPECT_EQ(::lstat(path.c_str(), &st), 0) << path;
  return st;
}

// Makes the layer `id` over `parent` with one file of its own, named `file`.
static void add_layer(Driver& driver, const LayerId& id, const std::optional<LayerId>& parent,
                      const std::string& file) {
  const auto target = driver.begin(id);
  test::write_file(fs::path(path_of(target->root_fd())) / file, file);
  target->finish(parent, {});
}

TEST_F(OverlayV1, AnImageSharesFilesWithItsParent) {
  const LayerId base("base"), child("child");
  add_layer(*driver_, base, std::nullopt, "below");
  add_layer(*driver_, child, base, "above");
  EXPECT_EQ(status_of(home_ / "child/root/below").st_ino, status_of(home_ / "base/root/below").st_ino);
  EXPECT_EQ(status_of(home_ / "child/root/above").st_nlink, 1u);
  EXPECT_EQ(code_of([&] { driver_->mount(base, Access::read_write, beside_.path()); }), Errc::invalid);
}

TEST_F(OverlayV1, NothingIsSharedWithWhatMayStillBeWritten) {
  const LayerId base("base"), child("child");
  add_layer(*driver_, base, std::nullopt, "below");
  driver_->mount(base, Access::read_write, beside_.path());
  add_layer(*driver_, child, base, "above");
  test::write_file(beside_ / "below", "changed");
  unmount(beside_.path());
  EXPECT_EQ(test::read_file(home_ / "child/root/below"), "below");

  const LayerId container("container"), on_container("on-container");
  driver_->create(container, child);
  driver_->mount(container, Access::read_write, beside_.path());
  test::write_file(beside_ / "written", "1");
  unmount(beside_.path());
  add_layer(*driver_, on_container, container, "more");
  test::write_file(home_ / "container/upper/written", "2");
  EXPECT_EQ(test::read_file(home_ / "on-container/root/written"), "1");
}

TEST_F(OverlayV1, AContainerIsLaidOutAsTheEngineDoes) {
  const LayerId container("container");
  driver_->create(container, images_[0]);
  for (const char* part : {"upper", "work", "merged"})
    EXPECT_TRUE(fs::is_directory(home_ / "container" / part)) << part;
  EXPECT_EQ(test::read_file(home_ / "container/lower-id"), images_[0].str());
  EXPECT_EQ(status_of(home_ / "container/lower-id").st_mode, S_IFREG | 0600u);
  EXPECT_EQ(status_of(home_ / "container/work").st_mode, S_IFDIR | 0700u);
  EXPECT_EQ(listing_of(driver_->tree(container)), listing_of(driver_->tree(images_[0])));
}

TEST_F(OverlayV1, AContainerOnAContainerTakesItsChangesOver) {
  for (const auto& parent : containers_) {
    const LayerId id("on-" + parent.str());
    driver_->create(id, parent);
    EXPECT_EQ(test::read_file(home_ / id.str() / "lower-id"), test::read_file(home_ / parent.str() / "lower-id"));
    EXPECT_EQ(listing_of(driver_->tree(id)), listing_of(driver_->tree(parent)));
    driver_->mount(id, Access::read_write, beside_.path());
    EXPECT_EQ(listing_of_directory(beside_.path()), listing_of(driver_->tree(parent)));
    unmount(beside_.path());
  }
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
