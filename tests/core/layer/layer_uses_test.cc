#include "core/layer/layer_uses.h"

#include <gmock/gmock.h>

#include <filesystem>

#include "tests/graphdb/content_builder.h"

namespace cairn {
namespace {

using testing::HasSubstr;

// base <- middle <- top, and base <- side.
class LayerUsesTest : public testing::Test {
 protected:
  std::vector<std::string> released(const ChainId& chain) {
    std::vector<std::string> out;
    LayerUses uses(root_.store().layers());
    uses.add(chain);
    for (const auto& layer : uses.release(chain)) out.push_back(layer.cache_id.str());
    return out;
  }

  test::ContentRoot root_;
  LayerRecord base_ = root_.layer("base"), middle_ = root_.layer("middle", base_.chain),
              top_ = root_.layer("top", middle_.chain), side_ = root_.layer("side", base_.chain);
};

TEST_F(LayerUsesTest, WhatNothingNeedsGoesChildrenFirst) {
  EXPECT_THAT(released(top_.chain), testing::ElementsAre("top", "middle"));
  EXPECT_THAT(released(side_.chain), testing::ElementsAre("side"));
  EXPECT_THAT(released(middle_.chain), testing::IsEmpty());
}

TEST_F(LayerUsesTest, TheLastUserTakesItAlong) {
  LayerUses uses(root_.store().layers());
  uses.add(top_.chain);
  uses.add(top_.chain);
  EXPECT_THAT(uses.release(top_.chain), testing::IsEmpty());
  EXPECT_THAT(uses.release(side_.chain), testing::SizeIs(1));
  EXPECT_THAT(uses.release(top_.chain), testing::SizeIs(3)) << "with the side gone, the base has no other use";
  EXPECT_THAT(uses.release(top_.chain), testing::IsEmpty());
}

TEST_F(LayerUsesTest, WritableLayersKeepWhatTheyLieOn) {
  root_.store().layers().add_mount({"box", LayerId("rw"), std::nullopt, middle_.chain});
  EXPECT_THAT(released(top_.chain), testing::ElementsAre("top"));
}

TEST_F(LayerUsesTest, ADriversLayerThatTwoEntriesNameStays) {
  root_.store().layers().add_mount({"box", LayerId("top"), std::nullopt, side_.chain});
  EXPECT_THAT(released(top_.chain), testing::IsEmpty());
}

struct DamageCase {
  const char* name;
  std::vector<const char*> lost;  // files of the side's entry
  bool readable;                  // what it needs can still be told
};
class DamagedLayerUses : public LayerUsesTest, public testing::WithParamInterface<DamageCase> {};
TEST_P(DamagedLayerUses, KeepWhatTheyMayNeed) {
  for (const char* file : GetParam().lost) std::filesystem::remove(root_.layer_dir(side_.chain) / file);
  const LayerUses uses(root_.store().layers());
  EXPECT_EQ(uses.unknown().empty(), GetParam().readable) << uses.unknown();
  EXPECT_THAT(uses.unknown(), HasSubstr(GetParam().readable ? "" : side_.chain.str()));
  EXPECT_EQ(released(top_.chain).empty(), !GetParam().readable);
}
INSTANTIATE_TEST_SUITE_P(, DamagedLayerUses,
                         testing::Values(DamageCase{"size", {"size"}, true}, DamageCase{"diff", {"diff"}, true},
                                         DamageCase{"parent", {"parent"}, false},
                                         DamageCase{"parent_and_diff", {"parent", "diff"}, false},
                                         DamageCase{"cache_id", {"cache-id"}, false}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST_F(LayerUsesTest, ADamagedBaseIsKnownByItsDiff) {
  const LayerRecord alone = root_.layer("alone");
  std::filesystem::remove(root_.layer_dir(alone.chain) / "size");
  EXPECT_EQ(LayerUses(root_.store().layers()).unknown(), "");
}

TEST_F(LayerUsesTest, ADamagedWritableLayerMayNeedAny) {
  root_.store().layers().add_mount({"box", LayerId("rw"), std::nullopt, side_.chain});
  std::filesystem::remove(root_.image("layerdb/mounts/box/mount-id"));
  EXPECT_THAT(LayerUses(root_.store().layers()).unknown(), HasSubstr("'box'"));
  EXPECT_THAT(released(top_.chain), testing::IsEmpty());
}

}  // namespace
}  // namespace cairn
