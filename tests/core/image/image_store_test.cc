#include "core/image/image_store.h"

#include <gtest/gtest.h>

#include "core/util/error.h"
#include "graphdb/store.h"
#include "tests/support/fake_driver.h"
#include "tests/support/temp_dir.h"

namespace cairn {
namespace {

std::string hex(char begin, char rest = '0') { return begin + std::string(63, rest); }

CatalogImage image(const std::string& id, std::vector<std::string> tags = {}, std::vector<std::string> digests = {}) {
  CatalogImage out;
  out.id = id;
  out.tags = std::move(tags);
  out.digests = std::move(digests);
  return out;
}

const std::vector<CatalogImage> kImages{
    image("sha256:" + hex('a', '1'), {"busybox:1", "busybox:latest"}, {"busybox@sha256:" + hex('9')}),
    image("sha256:" + hex('a', '2'), {"localhost:5000/x:latest"}),
    image("sha256:" + hex('b'), {"a1:latest"}),
    image(hex('c'), {"old:1.6"}),
};

struct FindCase {
  const char* name;
  std::string reference;
  int want;  // index, -1 for none
};
class ImageLookup : public testing::TestWithParam<FindCase> {};
TEST_P(ImageLookup, ByNameOrId) {
  const auto* got = find_image(kImages, GetParam().reference);
  EXPECT_EQ(got == nullptr ? -1 : static_cast<int>(got - kImages.data()), GetParam().want);
}
INSTANTIATE_TEST_SUITE_P(, ImageLookup,
                         testing::Values(FindCase{"name", "busybox", 0}, FindCase{"tag", "busybox:1", 0},
                                         FindCase{"canonical_name", "docker.io/library/busybox:1", 0},
                                         FindCase{"digest", "busybox@sha256:" + hex('9'), 0},
                                         FindCase{"digest_beats_tag", "busybox:none@sha256:" + hex('9'), 0},
                                         FindCase{"other_tag", "busybox:2", -1},
                                         FindCase{"other_digest", "busybox@sha256:" + hex('8'), -1},
                                         FindCase{"registry", "localhost:5000/x", 1}, FindCase{"full_id", hex('b'), 2},
                                         FindCase{"full_id_with_algorithm", "sha256:" + hex('b'), 2},
                                         FindCase{"prefix", "b0", 2}, FindCase{"prefix_with_algorithm", "sha256:b", 2},
                                         FindCase{"a_name_beats_a_prefix", "a1", 2}, FindCase{"long_prefix", "a11", 0},
                                         FindCase{"v1_id", "c0", 3}, FindCase{"v1_tag", "old:1.6", 3},
                                         FindCase{"unknown_id", hex('d'), -1}, FindCase{"unknown_prefix", "d", -1},
                                         FindCase{"nothing", "", -1}, FindCase{"nonsense", "A B", -1}),
                         [](const auto& test) { return std::string(test.param.name); });

template <typename Call>
void expect_error(Errc code, const std::vector<std::string>& texts, Call&& call) {
  try {
    call();
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), code) << e.what();
    for (const auto& text : texts) EXPECT_NE(std::string(e.what()).find(text), std::string::npos) << e.what();
  }
}

TEST(FindImage, AmbiguousPrefixListsTheCandidates) {
  expect_error(Errc::invalid, {"'a'", hex('a', '1').substr(0, 12), "busybox:1", hex('a', '2').substr(0, 12)},
               [] { find_image(kImages, "a"); });
}

TEST(ResolveImage, SaysWhatThereIsInstead) {
  expect_error(Errc::not_found, {"'busybox:2'", "busybox:latest"}, [] { resolve_image(kImages, "busybox:2"); });
  EXPECT_EQ(&resolve_image(kImages, "old:1.6"), &kImages[3]);
}

TEST(FindContainer, ByIdNameOrPrefix) {
  std::vector<CatalogContainer> all(3);
  all[0].id = hex('a', '1'), all[0].name = "web";
  all[1].id = hex('a', '2'), all[1].name = "b";
  all[2].id = hex('b');
  EXPECT_EQ(find_container(all, hex('a', '2')), &all[1]);
  EXPECT_EQ(find_container(all, "web"), &all[0]);
  EXPECT_EQ(find_container(all, "/web"), &all[0]);
  EXPECT_EQ(find_container(all, "b"), &all[1]) << "a name beats a prefix";
  EXPECT_EQ(find_container(all, "b0"), &all[2]);
  EXPECT_EQ(find_container(all, ""), nullptr) << "containers without a name are not found by none";
  EXPECT_EQ(find_container(all, "/"), nullptr);
  expect_error(Errc::invalid, {"web"}, [&] { find_container(all, "a"); });
  expect_error(Errc::not_found, {"'db'"}, [&] { resolve_container(all, "db"); });
}

std::string config_of(const std::string& rootfs, const std::string& history = "[]") {
  return R"({"architecture":"arm","variant":"v7","os":"linux","history":)" + history + R"(,"rootfs":)" + rootfs + "}";
}
const std::string kTwo = R"({"type":"layers","diff_ids":["sha256:)" + hex('1') + R"(","sha256:)" + hex('2') + R"("]})";

TEST(ImageConfiguration, TellsPlatformAndLayers) {
  const auto got =
      read_image_config(config_of(kTwo, R"([{"created_by":"a"},{"empty_layer":true},{},{"empty_layer":true}])"));
  ASSERT_EQ(got.diff_ids.size(), 2u);
  EXPECT_EQ(got.diff_ids[1].hex(), hex('2'));
  EXPECT_EQ(got.history.size(), 4u);
  EXPECT_EQ(got.os + got.architecture + got.variant, "linuxarmv7");
  EXPECT_EQ(top_chain(got.diff_ids), chain_id(chain_id(std::nullopt, got.diff_ids[0]), got.diff_ids[1]));
  EXPECT_EQ(top_chain({}), std::nullopt);
}

TEST(ImageConfiguration, MayLackHistoryAndLayers) {
  EXPECT_TRUE(read_image_config(R"({"rootfs":{"type":"layers"},"history":null})").diff_ids.empty());
  EXPECT_EQ(read_image_config(R"({"rootfs":)" + kTwo + "}").diff_ids.size(), 2u);
}

struct ConfigCase {
  const char* name;
  std::string config, why;
  Errc code = Errc::corrupt;
};
class BadConfig : public testing::TestWithParam<ConfigCase> {};
TEST_P(BadConfig, IsRefused) {
  expect_error(GetParam().code, {GetParam().why}, [] { read_image_config(GetParam().config); });
}
INSTANTIATE_TEST_SUITE_P(
    , BadConfig,
    testing::Values(ConfigCase{"no_json", "hello", "at byte 0"}, ConfigCase{"no_object", "[]", "object"},
                    ConfigCase{"no_rootfs", R"({"os":"linux"})", "rootfs"},
                    ConfigCase{"null_rootfs", R"({"rootfs":null})", "rootfs"},
                    ConfigCase{"bad_diff_id", config_of(R"({"type":"layers","diff_ids":["sha256:../.."]})"),
                               "not a DiffID"},
                    ConfigCase{"diff_id_of_wrong_type", config_of(R"({"type":"layers","diff_ids":[1]})"), "string"},
                    ConfigCase{"too_much_history", config_of(kTwo, "[{},{},{}]"), "3 layers"},
                    ConfigCase{"foreign_base", config_of(R"({"type":"layers+base","diff_ids":[]})"), "layers+base",
                               Errc::unsupported}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(CreateImage, NeedsItsLayersAndStoresTheExactBytes) {
  test::TempDir dir;
  const auto store = open_metadata(dir.path(), "vfs");
  store->prepare();
  test::FakeDriver driver(dir.path());
  NoProgress quiet;
  LayerStore layers(driver, *store, 1, quiet);
  expect_error(Errc::not_found, {"top layer"}, [&] { create_image(layers, *store, config_of(kTwo)); });
  EXPECT_TRUE(store->images().list().empty());
  const std::string config = " {\"rootfs\":{\"type\":\"layers\"} }\n";
  const ImageId id = create_image(layers, *store, config);
  EXPECT_EQ(id.value, Digest::of(config));
  EXPECT_EQ(store->images().config(id), config);
}

}  // namespace
}  // namespace cairn
