#include "core/layer/layer_stack.h"

#include <gmock/gmock.h>

#include <fstream>

#include "core/util/error.h"
#include "tests/graphdb/content_builder.h"

namespace cairn {
namespace {

using testing::SizeIs;

class LayerStack : public testing::Test {
 protected:
  std::ofstream file(const ChainId& chain, const std::string& name) {
    return std::ofstream(root_.path() / "image/overlay2/layerdb/sha256" / chain.hex() / name);
  }
  test::ContentRoot root_;
  LayerMetadata& layers_ = root_.store().layers();
};

TEST_F(LayerStack, IsAllBelowBaseFirst) {
  EXPECT_THAT(layer_stack(layers_, std::nullopt).value(), SizeIs(0));
  const auto base = root_.layer("base"), top = root_.layer("top", base.chain);
  const auto stack = layer_stack(layers_, top.chain).value();
  ASSERT_THAT(stack, SizeIs(2));
  EXPECT_EQ(stack[0].chain, base.chain);
  EXPECT_EQ(stack[1].chain, top.chain);
}

TEST_F(LayerStack, WithoutOneThereIsNone) {
  const auto base = root_.layer("base"), top = root_.layer("top", base.chain);
  file(base.chain, "diff") << "nonsense";
  EXPECT_FALSE(find_loadable(layers_, base.chain));
  EXPECT_FALSE(layer_stack(layers_, top.chain));
  EXPECT_FALSE(layer_stack(layers_, ChainId(Digest::of("no layer"))));
}

TEST_F(LayerStack, ACircleEnds) {
  const auto base = root_.layer("base"), top = root_.layer("top", base.chain);
  file(base.chain, "parent") << top.chain.str();
  try {
    layer_stack(layers_, top.chain);
    ADD_FAILURE() << "it is taken for whole";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::corrupt);
    EXPECT_THAT(e.what(), testing::HasSubstr(base.chain.str()));
  }
}

}  // namespace
}  // namespace cairn
