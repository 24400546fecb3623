#include "core/image/reference.h"

#include <gtest/gtest.h>

#include "core/util/error.h"

namespace cairn {
namespace {

const std::string kHex(64, 'a');
const std::string kDigest = "sha256:" + kHex;

struct ParseCase {
  const char* name;
  std::string text, domain, path, tag, digest, familiar;
};
class Parse : public testing::TestWithParam<ParseCase> {};
TEST_P(Parse, Normalises) {
  const auto& c = GetParam();
  const Reference got = parse_reference(c.text);
  EXPECT_EQ(got.domain, c.domain);
  EXPECT_EQ(got.path, c.path);
  EXPECT_EQ(got.tag, c.tag);
  EXPECT_EQ(got.digest, c.digest);
  EXPECT_EQ(got.familiar(), c.familiar);
  EXPECT_EQ(parse_reference(got.text()), got) << "the familiar form means the same";
}
INSTANTIATE_TEST_SUITE_P(
    , Parse,
    testing::Values(
        ParseCase{"bare", "ubuntu", "docker.io", "library/ubuntu", "latest", "", "ubuntu:latest"},
        ParseCase{"tag", "ubuntu:22.04", "docker.io", "library/ubuntu", "22.04", "", "ubuntu:22.04"},
        ParseCase{"user", "a/b", "docker.io", "a/b", "latest", "", "a/b:latest"},
        ParseCase{"explicit_hub", "docker.io/x", "docker.io", "library/x", "latest", "", "x:latest"},
        ParseCase{"old_hub", "index.docker.io/library/x:1", "docker.io", "library/x", "1", "", "x:1"},
        ParseCase{"official_spelled_out", "library/x", "docker.io", "library/x", "latest", "", "x:latest"},
        ParseCase{"library_is_a_folder_here", "library/x/y", "docker.io", "library/x/y", "latest", "",
                  "library/x/y:latest"},
        ParseCase{"port", "localhost:5000/x", "localhost:5000", "x", "latest", "", "localhost:5000/x:latest"},
        ParseCase{"localhost", "localhost/x", "localhost", "x", "latest", "", "localhost/x:latest"},
        ParseCase{"looks_like_a_port", "localhost:5000", "docker.io", "library/localhost", "5000", "",
                  "localhost:5000"},
        ParseCase{"domain_in_capitals", "A.com/b", "A.com", "b", "latest", "", "A.com/b:latest"},
        ParseCase{"capitals_make_a_domain", "Host/b", "Host", "b", "latest", "", "Host/b:latest"},
        ParseCase{"ipv6", "[2001:db8::1]:5000/x:1", "[2001:db8::1]:5000", "x", "1", "", "[2001:db8::1]:5000/x:1"},
        ParseCase{"digest", "u/x@" + kDigest, "docker.io", "u/x", "", kDigest, "u/x@" + kDigest},
        ParseCase{"digest_beats_tag", "u/x:1@" + kDigest, "docker.io", "u/x", "1", kDigest, "u/x@" + kDigest},
        ParseCase{"separators", "a__b/c.d/e---f_g", "docker.io", "a__b/c.d/e---f_g", "latest", "",
                  "a__b/c.d/e---f_g:latest"},
        ParseCase{"hex_with_a_tag", kHex + ":1", "docker.io", "library/" + kHex, "1", "", kHex + ":1"},
        ParseCase{"longest_name", "a.io/" + std::string(250, 'b'), "a.io", std::string(250, 'b'), "latest", "",
                  "a.io/" + std::string(250, 'b') + ":latest"},
        ParseCase{"longest_tag", "x:" + std::string(128, '1'), "docker.io", "library/x", std::string(128, '1'), "",
                  "x:" + std::string(128, '1')}),
    [](const auto& test) { return std::string(test.param.name); });

struct RefusedCase {
  const char* name;
  std::string text, why;
};
class Refused : public testing::TestWithParam<RefusedCase> {};
TEST_P(Refused, SaysWhy) {
  try {
    parse_reference(GetParam().text);
    FAIL() << "was accepted: " << GetParam().text;
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::invalid);
    EXPECT_NE(std::string(e.what()).find(GetParam().why), std::string::npos) << e.what();
  }
}
INSTANTIATE_TEST_SUITE_P(
    , Refused,
    testing::Values(RefusedCase{"nothing", "", "form"}, RefusedCase{"slash_first", "/x", "form"},
                    RefusedCase{"slash_last", "x/", "form"}, RefusedCase{"two_slashes", "a//b", "form"},
                    RefusedCase{"capitals", "Ubuntu", "lowercase"}, RefusedCase{"capitals_behind", "a/B", "lowercase"},
                    RefusedCase{"empty_tag", "x:", "not a tag"}, RefusedCase{"bad_tag", "x:-1", "not a tag"},
                    RefusedCase{"long_tag", "x:" + std::string(129, '1'), "not a tag"},
                    RefusedCase{"short_digest", "x@sha256:abc", "not a digest"},
                    RefusedCase{"capitals_in_digest", "x@sha256:" + std::string(64, 'A'), "not a digest"},
                    RefusedCase{"unknown_algorithm", "x@md5:" + kHex, "not a digest"}, RefusedCase{"id", kHex, "an ID"},
                    RefusedCase{"prefixed_id", kDigest, "cannot be told from a digest"},
                    RefusedCase{"long_name", "a.io/" + std::string(251, 'b'), "longer than 255"},
                    RefusedCase{"three_underscores", "a___b", "form"}, RefusedCase{"dots", "../x", "registry's name"},
                    RefusedCase{"space", "a b", "form"}, RefusedCase{"port_without_digits", "h:x/y", "registry's name"},
                    RefusedCase{"dash_in_front_of_domain", "-a.b/c", "registry's name"},
                    RefusedCase{"control_characters_are_shown_harmless", "a\x1b[2J", "\\x1b"},
                    RefusedCase{"nul", std::string("a\0b", 3), "form"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(ParseRepository, AddsNoTag) {
  EXPECT_EQ(parse_repository("busybox").familiar(), "busybox");
  EXPECT_EQ(parse_repository("busybox:1").familiar(), "busybox:1");
}

TEST(Digests, OfKnownLengthsOnly) {
  EXPECT_TRUE(is_digest("sha512:" + kHex + kHex));
  EXPECT_TRUE(is_digest("sha384:" + kHex + std::string(32, '0')));
  EXPECT_FALSE(is_digest("sha512:" + kHex));
  EXPECT_FALSE(is_digest(kHex));
}

struct LegacyCase {
  const char* name;
  std::string repository, tag, familiar, error;
};
class Legacy : public testing::TestWithParam<LegacyCase> {};
TEST_P(Legacy, MigratesAsDocker110Did) {
  const auto got = reference_from_v1(GetParam().repository, GetParam().tag);
  EXPECT_EQ(got.familiar, GetParam().familiar);
  if (GetParam().error.empty()) {
    EXPECT_EQ(got.error, "");
  } else {
    EXPECT_NE(got.error.find(GetParam().error), std::string::npos) << got.error;
  }
}
INSTANTIATE_TEST_SUITE_P(
    , Legacy,
    testing::Values(
        LegacyCase{"plain", "busybox", "1", "busybox:1", ""}, LegacyCase{"user", "u/x", "latest", "u/x:latest", ""},
        LegacyCase{"hub", "docker.io/library/x", "1", "x:1", ""},
        LegacyCase{"old_hub", "index.docker.io/u/x", "1", "u/x:1", ""},
        LegacyCase{"official", "library/x", "1", "x:1", ""},
        LegacyCase{"one_library_goes_whatever_follows", "library/a/b", "1", "a/b:1", ""},
        LegacyCase{"registry", "localhost:5000/a/b", "1", "localhost:5000/a/b:1", ""},
        LegacyCase{"digest", "x", kDigest, "x@" + kDigest, ""}, LegacyCase{"capitals", "Foo/bar", "1", "", "lowercase"},
        LegacyCase{"capitals_in_domain", "Reg.io/bar", "1", "Reg.io/bar:1", ""},
        LegacyCase{"id", kHex, "1", "", "an ID"}, LegacyCase{"id_on_hub", "docker.io/" + kHex, "1", "", "an ID"},
        LegacyCase{"bad_tag", "x", "a b", "", "not a tag"}, LegacyCase{"empty_tag", "x", "", "", "not a tag"},
        LegacyCase{"bad_name", "a b", "1", "", "form"}, LegacyCase{"none", "<none>", "<none>", "", "form"},
        LegacyCase{"algorithm", "sha256", "1", "", "digest"},
        LegacyCase{"long_name", std::string(256, 'a'), "1", "", "255"},
        LegacyCase{"long_enough", std::string(255, 'a'), "1", std::string(255, 'a') + ":1", ""}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(IdPrefix, IsHexWithOrWithoutAlgorithm) {
  EXPECT_EQ(id_prefix("1a"), "1a");
  EXPECT_EQ(id_prefix("sha256:1a"), "1a");
  EXPECT_EQ(id_prefix(kDigest), kHex);
  for (const std::string& text :
       {std::string(), std::string("sha256:"), std::string("1A"), std::string("xyz"), kHex + "a"})
    EXPECT_FALSE(id_prefix(text)) << text;
}

}  // namespace
}  // namespace cairn
