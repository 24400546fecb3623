#include <gmock/gmock.h>

#include "core/layer/layer_store.h"
#include "core/util/error.h"
#include "drivers/overlay2/overlay2.h"
#include "tests/graphdb/content_builder.h"

namespace cairn {
namespace {

using testing::IsEmpty;
using testing::SizeIs;

class CreateContainer : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "needs root: stores are closed to others";
  }
  NewContainer create(const std::string& name, const ContainerBase& base) {
    LayerStore layers(*driver_, root_.store(), 1, quiet_);
    return layers.create_container(name, base);
  }
  // Nothing is left of the attempt.
  void expect_refused(Errc code, const std::string& name, const ContainerBase& base) {
    const size_t before = driver_->list().size(), mounts = root_.store().layers().mounts().size();
    try {
      create(name, base);
      ADD_FAILURE() << "it was made";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), code) << e.what();
    }
    EXPECT_THAT(driver_->list(), SizeIs(before));
    EXPECT_THAT(root_.store().layers().mounts(), SizeIs(mounts));
    EXPECT_THAT(root_.store().layers().abandoned(), IsEmpty());
  }

  test::ContentRoot root_;
  NoProgress quiet_;
  std::unique_ptr<Driver> driver_ = open_overlay2(root_.path(), {});
  LayerRecord base_ = root_.layer("base");
  ImageId image_ = root_.image_of({base_.diff});
};

TEST_F(CreateContainer, NotesWhatItWasMadeOf) {
  const auto made = create("box", {base_.chain, image_});
  EXPECT_EQ(made.name, "box");
  const auto record = root_.store().layers().find_mount("box");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->mount_id, made.mount_id);
  EXPECT_EQ(record->parent, base_.chain);
  EXPECT_EQ(record->image, image_);
  EXPECT_THAT(driver_->list(), SizeIs(2));
  EXPECT_THAT(root_.store().layers().abandoned(), IsEmpty());
}

TEST_F(CreateContainer, NeedsNoNameNoImageAndNoLayer) {
  const auto made = create("", {});
  EXPECT_EQ(made.name, made.mount_id.str());
  EXPECT_FALSE(root_.store().layers().find_mount(made.name)->image);
  EXPECT_FALSE(root_.store().layers().find_mount(create("on-a-layer", {base_.chain, {}}).name)->image);
}

TEST_F(CreateContainer, WhatIsGoneOrTakenIsRefused) {
  expect_refused(Errc::not_found, "box", {ChainId(Digest::of("no layer")), std::nullopt});
  expect_refused(Errc::not_found, "box", {base_.chain, ImageId(Digest::of("no image"))});
  create("box", {base_.chain, image_});
  expect_refused(Errc::already_exists, "box", {base_.chain, image_});
  expect_refused(Errc::invalid, "a/b", {base_.chain, image_});
}

}  // namespace
}  // namespace cairn
