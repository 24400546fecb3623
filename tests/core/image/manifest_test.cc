#include "core/image/manifest.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/util/error.h"

namespace cairn {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

const std::string kDigest = Digest::of("x").str();

std::string descriptor(const std::string& more = "") {
  return R"({"mediaType":"m","size":3,"digest":")" + kDigest + "\"" + more + "}";
}

TEST(Manifest, IsToldByItsFields) {
  EXPECT_EQ(parse_manifest("{\"config\":" + descriptor() + ",\"layers\":[]}").kind, Manifest::Kind::image);
  EXPECT_EQ(parse_manifest("{\"manifests\":[]}").kind, Manifest::Kind::index);
  EXPECT_EQ(parse_manifest("{\"fsLayers\":[]}").kind, Manifest::Kind::schema1);
  for (const char* two :
       {R"({"manifests":[],"layers":[{}]})", R"({"manifests":[],"config":{}})", R"({"fsLayers":[],"config":{}})"})
    EXPECT_THROW(parse_manifest(two), Error) << two;
}

TEST(Manifest, MediaTypesAreOneWord) {
  EXPECT_EQ(parse_manifest(R"({"mediaType":"application/x.y+json","layers":[]})").media_type, "application/x.y+json");
  for (const char* odd : {R"(a/b\r\nX: y)", R"(a\u0000)", R"(a b)", R"(a\u007f)"}) {
    const std::string text = std::string(R"({"layers":[],"mediaType":")") + odd + "\"}";
    EXPECT_THROW(parse_manifest(text), Error) << text;
  }
}

TEST(Manifest, NegativeSizesAreRefused) {
  for (const char* list : {"layers", "manifests"})
    EXPECT_THROW(parse_manifest(std::string("{\"") + list + R"(":[{"size":-1,"digest":"x"}]})"), Error) << list;
}

TEST(Manifest, IsWrittenAsDockerWritesIt) {
  Descriptor config;
  config.media_type = "c";
  config.digest = kDigest;
  config.size = 7;
  const std::string text = encode_manifest(media_type::schema2, config, {});
  EXPECT_EQ(text,
            "{\n   \"schemaVersion\": 2,\n   \"mediaType\": \"application/vnd.docker.distribution.manifest.v2+json\",\n"
            "   \"config\": {\n      \"mediaType\": \"c\",\n      \"size\": 7,\n      \"digest\": \"" +
                kDigest + "\"\n   },\n   \"layers\": []\n}");
  EXPECT_EQ(manifest_digest(text), Digest::of(text));
  const auto back = parse_manifest(encode_manifest(media_type::oci_manifest, config, std::vector{config, config}));
  EXPECT_THAT(back.layers, SizeIs(2));
  EXPECT_EQ(media_type_of(back), media_type::oci_manifest);
}

Descriptor for_platform(const std::string& architecture, const std::string& variant) {
  Descriptor out;
  out.digest = architecture + variant;
  out.platform.emplace();
  out.platform->os = architecture == "unknown" ? "unknown" : "linux";
  out.platform->architecture = architecture;
  out.platform->variant = variant;
  return out;
}

TEST(Manifest, TheBestForAPlatform) {
  const std::vector<Descriptor> all{for_platform("arm", "v6"), for_platform("unknown", ""), for_platform("arm", "v7"),
                                    for_platform("arm64", "v8")};
  EXPECT_EQ(best_for({"linux", "arm", "v7"}, all, false).at(0).digest, "armv7");
  EXPECT_EQ(best_for({"linux", "arm", "v6"}, all, false).at(0).digest, "armv6");
  EXPECT_EQ(best_for({"linux", "arm64", ""}, all, false).at(0).digest, "arm64v8");
  try {
    best_for({"linux", "s390x", ""}, all, false);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::not_found);
    EXPECT_THAT(e.what(), HasSubstr("linux/arm/v6, linux/arm/v7, linux/arm64/v8"));
  }
  EXPECT_THAT(best_for({"linux", "amd64", ""}, {for_platform("arm", "v6")}, true), SizeIs(1));
  EXPECT_THAT(best_for({"linux", "amd64", ""}, {for_platform("unknown", "")}, false), SizeIs(0));
}

}  // namespace
}  // namespace cairn
