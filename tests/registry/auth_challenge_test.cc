#include "registry/auth_challenge.h"

#include <gmock/gmock.h>

#include "core/util/error.h"

namespace cairn {
namespace {

using std::chrono::seconds;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

// "bearer realm=a|service=b; basic realm=c"
std::string parsed(const std::vector<std::string>& headers) {
  std::string out;
  for (const auto& one : parse_challenges(headers)) {
    out += (out.empty() ? "" : "; ") + one.scheme;
    char before = ' ';
    for (const auto& [name, value] : one.params) out += before + name + '=' + value, before = '|';
  }
  return out;
}

struct HeaderCase {
  const char* name;
  std::vector<std::string> headers;
  const char* want;
};
class ChallengeHeaders : public testing::TestWithParam<HeaderCase> {};
TEST_P(ChallengeHeaders, Parse) { EXPECT_EQ(parsed(GetParam().headers), GetParam().want); }
INSTANTIATE_TEST_SUITE_P(
    , ChallengeHeaders,
    testing::Values(
        HeaderCase{"bearer",
                   {R"(Bearer realm="https://a/token",service="s",scope="repository:a/b:pull,push")"},
                   "bearer realm=https://a/token|scope=repository:a/b:pull,push|service=s"},
        HeaderCase{"unquoted", {"Bearer realm=https://a/token,service=s"}, "bearer realm=https://a/token|service=s"},
        HeaderCase{"letter_case", {R"(bEARER REALM="https://A/t",Service="S")"}, "bearer realm=https://A/t|service=S"},
        HeaderCase{"space_everywhere", {" Bearer\t realm = \"r\" , service\t=s  ,  "}, "bearer realm=r|service=s"},
        HeaderCase{"several_headers", {R"(Basic realm="x")", R"(Bearer realm="y")"}, "basic realm=x; bearer realm=y"},
        HeaderCase{"several_in_one",
                   {R"(Basic realm="x", Bearer realm="y",service="z", Digest nonce=1)"},
                   "basic realm=x; bearer realm=y|service=z; digest nonce=1"},
        HeaderCase{
            "escapes", {R"(Basic realm="a\"b\\c, Bearer realm=\"no\"")"}, R"(basic realm=a"b\c, Bearer realm="no")"},
        HeaderCase{"scheme_alone", {"Negotiate", "Basic realm=x"}, "negotiate; basic realm=x"},
        HeaderCase{"scheme_alone_among_others", {"Negotiate, Basic realm=x, NTLM"}, "negotiate; basic realm=x; ntlm"},
        HeaderCase{"base64_for_parameters", {"Negotiate YII/a+b==, Basic realm=x"}, "negotiate; basic realm=x"},
        HeaderCase{"empty_value", {R"(Bearer realm="",service=,scope=s)"}, "bearer realm=|scope=s|service="},
        HeaderCase{"first_of_a_name_counts", {"Bearer realm=a, Realm=b"}, "bearer realm=a"},
        HeaderCase{"no_end_of_quotes", {R"(Bearer service=s,realm="https://a)"}, "bearer service=s"},
        HeaderCase{"backslash_at_the_end", {R"(Bearer service=s,realm="a\)"}, "bearer service=s"},
        HeaderCase{"parameters_of_nobody", {R"(realm="x", Basic realm="y")"}, "basic realm=y"},
        HeaderCase{"parameters_stay_in_their_header", {"Basic realm=x", "service=s"}, "basic realm=x"},
        HeaderCase{"garbage", {"\"x\", (y), =z, Basic realm=x"}, "basic realm=x"},
        HeaderCase{"empty", {"", ",,,", "  "}, ""}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Challenges, AreNotManyHoweverLongTheHeader) {
  std::string header;
  for (int i = 0; i < 100000; ++i) header += "a,";
  EXPECT_LE(parse_challenges(std::vector{header, header}).size(), 64u);
}

TEST(Challenges, AreFoundByScheme) {
  const auto found = parse_challenges(std::vector<std::string>{"Basic realm=a, Bearer realm=b, Bearer realm=c"});
  ASSERT_TRUE(find_challenge(found, "bearer"));
  EXPECT_EQ(find_challenge(found, "bearer")->param("realm"), "b");
  EXPECT_EQ(find_challenge(found, "bearer")->param("service"), "");
  EXPECT_FALSE(find_challenge(found, "digest"));
}

Challenge bearer(const std::string& realm, const std::string& service = "reg") {
  return {"bearer", {{"realm", realm}, {"service", service}, {"scope", "what:the:registry:says"}}};
}
const TokenWish kPull{{"repository:a/b:pull"}, false};
const Credential kUser{"me & you", "s3cret", {}, {}}, kIdentity{"me", "", "id/tok", {}};

TEST(TokenRequests, AskForOwnScopesAndKeepTheRealmsQuery) {
  const auto plain = token_request(bearer("https://a/token"), kPull, {});
  EXPECT_EQ(plain.url, "https://a/token?service=reg&scope=repository%3Aa%2Fb%3Apull");
  EXPECT_EQ(plain.form, "");
  EXPECT_FALSE(plain.password);
  TokenWish two = kPull;
  two.scopes = {"repository:a/b:pull,push", "repository:c:pull"};
  EXPECT_EQ(token_request(bearer("https://a/token?x=1#part", ""), two, {}).url,
            "https://a/token?x=1&scope=repository%3Aa%2Fb%3Apull%2Cpush&scope=repository%3Ac%3Apull");
  EXPECT_EQ(token_request(bearer("https://a/token?", ""), {}, {}).url, "https://a/token");
}

TEST(TokenRequests, GoWithThePasswordAndNameTheAccount) {
  const auto request = token_request(bearer("https://a/token"), kPull, kUser);
  EXPECT_TRUE(request.password);
  EXPECT_EQ(request.url, "https://a/token?service=reg&scope=repository%3Aa%2Fb%3Apull&account=me%20%26%20you");
  EXPECT_THAT(request.url + request.form, Not(HasSubstr("s3cret")));
  EXPECT_FALSE(token_request(bearer("https://a/token"), kPull, {"me", "", {}, {}}).password);
}

TEST(TokenRequests, ExchangeAnIdentityTokenInAForm) {
  TokenWish wish{{"repository:a:pull", "repository:b:pull"}, false};
  const auto request = token_request(bearer("https://a/token?x=1"), wish, kIdentity);
  EXPECT_EQ(request.url, "https://a/token?x=1");
  EXPECT_EQ(request.form,
            "grant_type=refresh_token&service=reg&client_id=cairn&scope=repository%3Aa%3Apull%20repository%3Ab%3Apull"
            "&refresh_token=id%2Ftok");
  EXPECT_FALSE(request.password);
}

TEST(TokenRequests, NeedAServerToAsk) {
  for (const char* realm : {"", "a/token", "/token", "file:///etc/passwd", "ftp://a", "https://", "https:///token",
                            "https://?x", "https://a/to ken", "https://a/\r\nHost: b", "https://\xc3\xa4/"})
    try {
      token_request(bearer(realm), kPull, {});
      ADD_FAILURE() << realm;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::corrupt) << realm;
      EXPECT_EQ(std::string(e.what()).find_first_of("\r\n"), std::string::npos);
    }
}

TEST(TokenRequests, CarryNoSecretInTheClearUnlessTheRegistryDoesSoItself) {
  for (const auto& who : {kUser, kIdentity}) {
    EXPECT_THROW(token_request(bearer("HTTP://a/token"), kPull, who), Error);
    TokenWish wish = kPull;
    wish.may_be_plain = true;
    EXPECT_NO_THROW(token_request(bearer("http://a/token"), wish, who));
  }
  EXPECT_NO_THROW(token_request(bearer("http://a/token"), kPull, {}));
}

struct AnswerCase {
  const char* name;
  std::string body;
  const char* value;
  int lifetime;
};
class TokenAnswers : public testing::TestWithParam<AnswerCase> {};
TEST_P(TokenAnswers, Parse) {
  const auto token = parse_token(GetParam().body);
  EXPECT_EQ(token.value, GetParam().value);
  EXPECT_EQ(token.lifetime, seconds(GetParam().lifetime));
}
INSTANTIATE_TEST_SUITE_P(
    , TokenAnswers,
    testing::Values(AnswerCase{"token", R"({"token":"t","expires_in":300,"issued_at":"2020-01-01T00:00:00Z"})", "t",
                               300},
                    AnswerCase{"access_token", R"( {"access_token":"a.b-c","expires_in":61})", "a.b-c", 61},
                    AnswerCase{"both", R"({"access_token":"a","token":"t"})", "t", 60},
                    AnswerCase{"empty_and_other", R"({"token":"","access_token":"a"})", "a", 60},
                    AnswerCase{"null_and_other", R"({"token":null,"access_token":"a","expires_in":null})", "a", 60},
                    AnswerCase{"short", R"({"token":"t","expires_in":0})", "t", 60},
                    AnswerCase{"negative", R"({"token":"t","expires_in":-99999999999999999999})", "t", 60},
                    AnswerCase{"long_life", R"({"token":"t","expires_in":31536000})", "t", 86400},
                    AnswerCase{"huge", R"({"token":"t","expires_in":99999999999999999999999})", "t", 86400},
                    AnswerCase{"quoted_number", R"({"token":"t","expires_in":"120"})", "t", 120},
                    AnswerCase{"fraction", R"({"token":"t","expires_in":120.75})", "t", 120},
                    AnswerCase{"no_number", R"({"token":"t","expires_in":{}})", "t", 60}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(TokenAnswer, AreRefusedWithoutQuotingThem) {
  for (const std::string body :
       {"", "s3cret", "[\"s3cret\"]", R"({"token":["s3cret"]})", R"({"tokens":"s3cret"})", R"({"token":"s3cret)",
        R"({"token":"s3cret\r\nX-Evil: 1"})", R"({"token":"s3cret x"})", R"({"token":"s3cretü"})", "{}"})
    try {
      parse_token(body);
      ADD_FAILURE() << body;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::corrupt) << body;
      EXPECT_THAT(e.what(), Not(HasSubstr("s3cret")));
    }
}

}  // namespace
}  // namespace cairn
