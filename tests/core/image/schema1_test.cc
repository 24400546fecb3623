#include "core/image/schema1.h"

#include <gmock/gmock.h>

#include "core/image/manifest.h"
#include "core/json/go_json.h"
#include "core/util/error.h"
#include "tests/core/image/golden_schema1.h"
#include "tests/core/image/signer.h"

namespace cairn {
namespace {

using test::kGoldenSchema1;
using test::Signer;
using testing::HasSubstr;

const std::string kBlob = "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
std::string id(char digit) { return std::string(64, digit); }

struct Layer {
  std::string id, parent, more{}, blob = kBlob;
};
// Newest first, as manifests have them.
std::string payload(const std::vector<Layer>& layers, const std::string& head = R"("schemaVersion": 1)") {
  std::string blobs, history;
  for (const auto& one : layers) {
    blobs += (blobs.empty() ? "" : ",") + (R"({"blobSum":")" + one.blob) + "\"}";
    const auto v1 = R"({"id":")" + one.id + R"(","parent":")" + one.parent + R"(","created":"2015-01-02T03:04:05Z")" +
                    one.more + "}";
    history += (history.empty() ? "" : ",") + (R"({"v1Compatibility":)" + go_json::quote(v1)) + "}";
  }
  return "{" + head + R"(,"name":"a/b","tag":"t","architecture":"amd64","fsLayers":[)" + blobs + R"(],"history":[)" +
         history + "]\n}";
}
const std::string kTwo = payload({{id('b'), id('a')}, {id('a'), ""}});

template <typename Body>
void expect_corrupt(Body&& body, const std::string& text, const std::string& what = "") {
  try {
    body();
    ADD_FAILURE() << "not refused: " << what;
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::corrupt) << e.what();
    EXPECT_THAT(e.what(), HasSubstr(text)) << what;
  }
}
void expect_unverified(const std::string& document, const std::string& text, const std::string& what = "") {
  expect_corrupt([&] { verified_schema1_payload(document); }, text, what);
}
std::string replaced(std::string text, const std::string& from, const std::string& to) {
  const size_t at = text.find(from);
  EXPECT_NE(at, text.npos) << from;
  return text.replace(at, from.size(), to);
}
// Another `protected` part in every signature, though the signatures are not made anew.
std::string with_protected(const std::string& document, const std::string& json) {
  const std::string mark = R"("protected":")";
  std::string out = document;
  for (size_t at = 0; (at = out.find(mark, at)) != out.npos; ++at) {
    const size_t from = at + mark.size();
    out.replace(from, out.find('"', from) - from, test::base64url(json));
  }
  return out;
}

TEST(SignedSchema1, GivesWhatWasSigned) {
  const std::string golden = kGoldenSchema1;
  EXPECT_EQ(Digest::of(schema1_payload(golden)).str(), test::kGoldenSchema1Digest);
  EXPECT_EQ(verified_schema1_payload(golden), schema1_payload(golden));
  EXPECT_EQ(manifest_digest(golden).str(), test::kGoldenSchema1Digest);
}

TEST(SignedSchema1, HasTheImageIdThatAnEngineGivesIt) {
  const auto image = read_schema1(schema1_payload(kGoldenSchema1));
  std::vector<DiffId> diff_ids;
  for (const auto* one : test::kGoldenSchema1DiffIds) diff_ids.push_back(*DiffId::parse(one));
  EXPECT_EQ(Digest::of(config_of(image, diff_ids)).str(), test::kGoldenSchema1ImageId);
  EXPECT_EQ(image.name, "t/es256");
  EXPECT_EQ(image.tag, "y");
  EXPECT_EQ(image.architecture, "amd64");
  ASSERT_EQ(image.steps.size(), 5u);
  EXPECT_THAT(image.steps[0].v1_json, HasSubstr("ADD file"));
  EXPECT_TRUE(image.steps[1].throwaway && image.steps[4].throwaway && !image.steps[2].throwaway);
}

TEST(SignedSchema1, MayHaveAnyKeys) {
  for (const char* alg : {"ES256", "ES384", "ES512", "RS256", "RS384", "RS512"}) {
    const Signer one(alg), other("ES256");
    EXPECT_EQ(verified_schema1_payload(test::signed_document(kTwo, {&one, &other})), kTwo) << alg;
  }
}

TEST(SignedSchema1, IsItselfWithoutSignatures) {
  EXPECT_EQ(schema1_payload(kTwo), kTwo);
  EXPECT_EQ(verified_schema1_payload(kTwo), kTwo);
  EXPECT_EQ(schema1_payload("\n" + kTwo), "\n" + kTwo);
}

TEST(SignedSchema1, TellsEveryChangedByteOfThePayload) {
  const Signer signer("ES256");
  const auto document = test::signed_document(kTwo, {&signer});
  for (size_t at = 0; at + 2 < kTwo.size(); at += 7) {
    auto changed = document;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    expect_corrupt([&] { verified_schema1_payload(changed); }, "", std::to_string(at));
  }
  expect_unverified(replaced(document, "a/b", "a/c"), "it is not of this content");
}

TEST(SignedSchema1, TellsWhatWasDoneToItsSignatures) {
  const Signer one("ES256"), other("ES256");
  const auto document = test::signed_document(kTwo, {&one}), changed = replaced(kTwo, "a/b", "a/c");
  const auto length = std::to_string(kTwo.size() - 2);
  const auto format = [](const std::string& count, const std::string& tail) {
    return "{\"formatLength\":" + count + ",\"formatTail\":\"" + tail + "\"}";
  };
  expect_unverified(with_protected(document, format(length, "IH0")), "it is not of this content", "another tail");
  expect_unverified(with_protected(document, format(std::to_string(kTwo.size() - 3), "Cn0")), "not of this content");
  expect_unverified(with_protected(document, format(length, "Cn0")), "not of this content", "no time");
  const auto signatures = [](const std::string& text) { return text.substr(text.find("\"signatures\"")); };
  expect_unverified(replaced(document, signatures(document), signatures(test::signed_document(changed, {&one}))),
                    "not of this content", "signatures of another document");
  expect_unverified(replaced(document, one.jwk(), other.jwk()), "not of this content", "another key");
  for (const char* alg : {"none", "HS256", "ES384", "RS256"})
    expect_unverified(replaced(document, R"("alg":"ES256")", std::string(R"("alg":")") + alg + '"'),
                      "checking a signature");
  expect_unverified(replaced(document, R"("signature":")", R"("signature":"AAAA)"), "not as long");
  expect_unverified(replaced(document, R"("signature":")", R"("signature":"",")"), "");
  expect_unverified(replaced(document, R"("header")", R"("headed")"), "no header");
}

TEST(SignedSchema1, NeedsAllItsSignatures) {
  const Signer one("ES256"), other("RS256");
  const auto both = test::signed_document(kTwo, {&one, &other});
  expect_unverified(replaced(both, other.jwk(), Signer("RS256").jwk()), "not of this content");
  const std::string mark = R"("protected":")";
  const size_t last = both.rfind(mark) + mark.size();
  const auto other_format = test::base64url(R"({"formatLength":5,"formatTail":"fQ"})");
  const auto apart = both.substr(0, last) + other_format + both.substr(both.find('"', last));
  expect_corrupt([&] { schema1_payload(apart); }, "do not agree");
}

TEST(SignedSchema1, HasNoPayloadThatCannotBeTold) {
  const Signer one("ES256");
  const auto document = test::signed_document(kTwo, {&one});
  const auto refused = [](const std::string& text, const std::string& why) {
    expect_corrupt([&] { schema1_payload(text); }, why, text.substr(0, 60));
  };
  for (const char* format :
       {R"({"formatLength":1000000000000,"formatTail":"fQ"})", R"({"formatLength":-1,"formatTail":"fQ"})",
        R"({"formatTail":"fQ"})", R"({"formatLength":null})"})
    refused(with_protected(document, format), "more than there is");
  for (const char* format :
       {R"({"formatLength":99999999999999999999999,"formatTail":"fQ"})", R"({"formatLength":1.5,"formatTail":"fQ"})",
        R"({"formatLength":"1","formatTail":"fQ"})", R"({"formatLength":1,"formatTail":"f=="})",
        R"({"formatLength":1,"formatTail":["fQ"]})", "[]", "x", ""})
    refused(with_protected(document, format), "");
  refused(replaced(document, "\"signatures\"", R"("signatures":[],"signatures")"), "signatures twice");
  refused(R"({"fsLayers":[],"signatures":[]})", "list of signatures is empty");
  for (const char* text : {R"({"signatures":null})", R"({"signatures":{}})", R"({"signatures":[1]})",
                           R"({"signatures":"x"})", "", "[]", "{", "x", R"({"signatures":[{"protected":1}]})"})
    refused(text, "");
}

TEST(SignedSchema1, IsBounded) {
  const Signer one("ES256");
  expect_corrupt([&] { schema1_payload("{\"a\":\"" + std::string(4 << 20, 'x') + "\"}"); }, "more than 4 MiB");
  std::string many;
  for (int i = 0; i < 100000; ++i) many += i ? ",{}" : "{}";
  expect_corrupt([&] { schema1_payload("{\"signatures\":[" + many + "]}"); }, "it has 100000 signatures");
  const std::string deep(2'000'000, '[');
  expect_corrupt([&] { schema1_payload("{\"signatures\":" + deep); }, "");
  expect_corrupt([&] { schema1_payload(with_protected(test::signed_document(kTwo, {&one}), deep)); }, "");
  expect_corrupt([&] { read_schema1(payload({{id('a'), "", ",\"x\":" + deep}})); }, "");
}

TEST(Schema1, IsReadOldestFirst) {
  const auto image = read_schema1(
      payload({{id('c'), id('b'), R"(,"throwaway":true)"}, {id('b'), id('a')}, {id('a'), "", R"(,"comment":"x")"}}));
  ASSERT_EQ(image.steps.size(), 3u);
  EXPECT_THAT(image.steps[0].v1_json, HasSubstr(id('a')));
  EXPECT_THAT(image.steps[2].v1_json, HasSubstr(id('c')));
  EXPECT_TRUE(image.steps[2].throwaway);
  EXPECT_FALSE(image.steps[1].throwaway);
  EXPECT_EQ(image.steps[0].blob.str(), kBlob);
}

TEST(Schema1, LosesTheNewerOfEqualNeighbours) {
  const std::string other = "sha256:" + id('5');
  const auto image = read_schema1(payload({{id('b'), id('x'), ",\"comment\":\"newest\""},
                                           {id('b'), id('b'), ",\"comment\":\"newer\""},
                                           {id('b'), id('a'), ",\"comment\":\"kept\"", other},
                                           {id('a'), ""}}));
  ASSERT_EQ(image.steps.size(), 2u);
  EXPECT_THAT(image.steps[1].v1_json, HasSubstr("kept"));
  EXPECT_EQ(image.steps[1].blob.str(), other);
}

TEST(Schema1, IsRefusedWhereEnginesRefuseIt) {
  const auto refused = [](const std::string& text, const std::string& why) {
    expect_corrupt([&] { read_schema1(text); }, why, text.substr(0, 100));
  };
  refused(payload({{id('a'), ""}}, R"("schemaVersion": 2)"), "of schema 2");
  refused(payload({{id('a'), ""}}, R"("x": 1)"), "of schema 0");
  refused(payload({}), "no layers");
  refused(replaced(kTwo, R"({"blobSum":")" + kBlob + "\"},", ""), "1 layers and a history of 2");
  refused(payload({{id('a'), id('b')}}), "base layer has a parent");
  refused(payload({{id('b'), ""}, {id('a'), ""}}), "is '', not the layer below it");
  refused(payload({{id('b'), id('c')}, {id('a'), ""}}), "not the layer below it");
  refused(payload({{id('a'), id('b')}, {id('b'), id('a')}, {id('a'), ""}}), "more than once");
  refused(payload({{"", ""}}), "no id of a layer");
  refused(payload({{"../../etc", ""}}), "no id of a layer");
  refused(payload({{id('A'), ""}}), "no id of a layer");
  refused(payload({{id('a') + "0", ""}}), "no id of a layer");
  refused(payload({{id('a'), "", "", "sha256:1"}}), "not a sha256 digest");
  refused(payload({{id('a'), "", "", ""}}), "not a sha256 digest");
  refused(payload({{id('a'), "", ",\"throwaway\":1"}}), "");
  refused(replaced(kTwo, R"({"v1Compatibility":)", R"({"v1Compatibility":"","x":)"), "");
  refused(replaced(kTwo, R"({"v1Compatibility":)", R"({"v1Compatibility":null,"x":)"), "");
  for (const char* text : {"", "[]", "null", R"({"schemaVersion":1,"fsLayers":{},"history":[]})"}) refused(text, "");
}

TEST(Schema1, MakesAConfigurationOfAllSteps) {
  const auto diff = empty_layer_diff_id();
  const auto image = read_schema1(
      payload({{id('b'), id('a'),
                R"(,"throwaway":true,"container_config":{"Cmd":["x","y"]},"Size":3,"docker_version":"1.9.1")"},
               {id('a'), "", R"(,"author":"me")"}}));
  EXPECT_EQ(
      config_of(image, std::vector{diff}),
      R"({"container_config":{"Cmd":["x","y"]},"created":"2015-01-02T03:04:05Z","docker_version":"1.9.1","history":[)"
      R"({"created":"2015-01-02T03:04:05Z","author":"me"},)"
      R"({"created":"2015-01-02T03:04:05Z","created_by":"x y","empty_layer":true}],)"
      R"("rootfs":{"type":"layers","diff_ids":[")" +
          diff.str() + "\"]}}");
  EXPECT_THROW(config_of(image, {}), Error);
  EXPECT_THROW(config_of(image, std::vector{diff, diff}), Error);
  EXPECT_THROW(config_of({}, {}), Error);
}

}  // namespace
}  // namespace cairn
