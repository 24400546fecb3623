#include "core/digest/digest.h"

#include <gtest/gtest.h>

#include "core/util/ids.h"

namespace cairn {
namespace {

// Worked example of Docker's content-addressed layout.
TEST(ChainIds, FollowTheParents) {
  const DiffId d1(Digest::of("layer one")), d2(Digest::of("layer two")), d3(Digest::of("layer three"));
  EXPECT_EQ(d1.str(), "sha256:f191e625176e7514249870c60bc24622131b04927a418001d1969c9cecd260f1");
  const ChainId c1 = chain_id({}, d1), c2 = chain_id(c1, d2), c3 = chain_id(c2, d3);
  EXPECT_EQ(c1.hex(), d1.hex());
  EXPECT_EQ(c2.str(), "sha256:d440fc2ac5bfa225471b58c5d6b4283504f5dfbcd6251023a635cdcd0c058e3e");
  EXPECT_EQ(c3.str(), "sha256:952689aceeac7e377b602804de533a4ad47ba634e3917ca7cb071e5ff2bff6cd");
}

TEST(Digests, TheEmptyLayerIsTheOneDockerKnows) {
  EXPECT_EQ(empty_layer_diff_id().str(), "sha256:5f70bf18a086007016e948b04aed3b82103a36bea41755b6cddfaf10ace3c6ef");
}

TEST(Digests, OnlyLowerCaseSha256Parses) {
  const std::string hex(64, 'a');
  EXPECT_TRUE(Digest::parse("sha256:" + hex));
  for (const std::string& bad : {hex, "sha256:" + std::string(64, 'A'), "sha256:" + hex + "a", "sha512:" + hex,
                                 "sha256:" + std::string(63, 'a') + "/", std::string()})
    EXPECT_FALSE(Digest::parse(bad)) << bad;
}

TEST(LayerIds, AreOnePathComponent) {
  for (const char* good : {"a", "0123-init", "ab.cd_e"}) EXPECT_TRUE(LayerId::valid(good)) << good;
  for (const char* bad : {"", ".", "..", "../x", "a/b", ".hidden", "a b", "a\n"})
    EXPECT_FALSE(LayerId::valid(bad)) << bad;
  EXPECT_TRUE(is_hex64(LayerId::random().str()));
}

}  // namespace
}  // namespace cairn
