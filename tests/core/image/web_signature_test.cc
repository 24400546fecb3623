#include "core/image/web_signature.h"

#include <gmock/gmock.h>

#include "core/util/error.h"
#include "tests/core/image/signer.h"

namespace cairn {
namespace {

using test::Signer;

std::string header(const std::string& alg, const std::string& jwk) {
  return R"({"alg":")" + alg + R"(","jwk":)" + jwk + "}";
}
std::string certified(const std::string& alg, const std::string& certificate) {
  return R"({"alg":")" + alg + R"(","x5c":[")" + certificate + "\"]}";
}
bool is_good(const std::string& header_json, const std::string& message, const std::string& signature) {
  try {
    verify_web_signature(header_json, message, signature);
    return true;
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::corrupt) << e.what();
    return false;
  }
}

class WebSignatures : public testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(, WebSignatures, testing::Values("ES256", "ES384", "ES512", "RS256", "RS384", "RS512"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(WebSignatures, AreOfTheirKeyAndTheirMessage) {
  const Signer signer(GetParam()), other(GetParam());
  const auto signature = signer.sign("message"), own = header(GetParam(), signer.jwk());
  EXPECT_TRUE(is_good(own, "message", signature));
  EXPECT_TRUE(is_good(certified(GetParam(), signer.certificate()), "message", signature));
  EXPECT_FALSE(is_good(own, "messagf", signature));
  EXPECT_FALSE(is_good(own, "", signature));
  EXPECT_FALSE(is_good(header(GetParam(), other.jwk()), "message", signature));
  EXPECT_FALSE(is_good(certified(GetParam(), other.certificate()), "message", signature));
  EXPECT_FALSE(is_good(own, "message", ""));
  EXPECT_FALSE(is_good(own, "message", signature + '\0'));
  EXPECT_FALSE(is_good(own, "message", signature.substr(1)));
  EXPECT_FALSE(is_good(own, "message", std::string(signature.size(), '\0')));
  for (const size_t at : {size_t{0}, signature.size() / 2, signature.size() - 1}) {
    auto changed = signature;
    changed[at] = static_cast<char>(changed[at] ^ 1);
    EXPECT_FALSE(is_good(own, "message", changed)) << at;
  }
}

TEST_P(WebSignatures, NeedAKeyOfTheirAlgorithm) {
  const Signer signer(GetParam());
  const auto signature = signer.sign("message");
  for (const char* alg : {"ES256", "ES384", "ES512", "RS256", "RS384", "RS512", "none", "HS256", "", "es256"}) {
    EXPECT_EQ(is_good(header(alg, signer.jwk()), "message", signature), std::string(alg) == GetParam()) << alg;
    EXPECT_EQ(is_good(certified(alg, signer.certificate()), "message", signature), std::string(alg) == GetParam())
        << alg;
  }
}

TEST(WebSignature, TakesTheFirstCertificateOfAChainBeforeAKey) {
  const Signer one("ES256"), other("ES256");
  const auto chain = [&](const Signer& first, const Signer& second) {
    return R"({"alg":"ES256","jwk":)" + one.jwk() + R"(,"x5c":[")" + first.certificate() + "\",\"" +
           second.certificate() + "\"]}";
  };
  EXPECT_TRUE(is_good(chain(one, other), "m", one.sign("m")));
  EXPECT_FALSE(is_good(chain(other, one), "m", one.sign("m")));
}

TEST(WebSignature, RefusesKeysThatAreNone) {
  const Signer signer("ES256");
  const auto signature = signer.sign("m");
  const std::string huge = test::base64url(std::string(3000, '\xff')), zero = test::base64url(std::string(32, '\0'));
  for (const std::string& text :
       {std::string("{}"), std::string("[]"), std::string("null"), std::string("{"), std::string(R"({"alg":"ES256"})"),
        header("ES256", "null"), header("ES256", "{}"), header("ES256", "[]"),
        header("ES256", R"({"kty":"EC","crv":"P-256","x":")" + zero + R"(","y":")" + zero + "\"}"),
        header("ES256", R"({"kty":"EC","crv":"P-256","x":"","y":""})"),
        header("ES256", R"({"kty":"EC","crv":"P-256","x":")" + huge + R"(","y":"AA"})"),
        header("ES256", R"({"kty":"EC","crv":"P-256","x":"A+==","y":"AA"})"),
        header("ES256", R"({"kty":"EC","crv":"secp256k1","x":"AA","y":"AA"})"), certified("ES256", ""),
        certified("ES256", "AAAA"), certified("ES256", "!"), certified("ES256", std::string(200000, 'A'))})
    EXPECT_FALSE(is_good(text, "m", signature)) << text.substr(0, 80);
  for (const std::string& key :
       {R"({"kty":"RSA","n":")" + huge + R"(","e":"AQAB"})", R"({"kty":"RSA","n":"AQAB","e":")" + huge + "\"}",
        std::string(R"({"kty":"RSA","n":"","e":""})"), std::string(R"({"kty":"RSA","n":"AA","e":"AA"})"),
        std::string(R"({"kty":"RSA","n":"AQAB","e":"AQAB"})")})
    EXPECT_FALSE(is_good(header("RS256", key), "m", std::string(128, 'x'))) << key.substr(0, 80);
}

TEST(WebSignature, HasAKeyThatSaysItsCurve) {
  const Signer signer("ES256");
  std::string jwk = signer.jwk();
  jwk.replace(jwk.find("P-256"), 5, "P-521");
  EXPECT_FALSE(is_good(header("ES256", jwk), "m", signer.sign("m")));
}

TEST(WebSignature, HasAKeyOfASizeThatTakesNoAges) {
  const std::string large = test::base64url(std::string(2049, '\xff'));
  for (const std::string& key :
       {R"({"kty":"RSA","n":")" + large + R"(","e":"AQAB"})", R"({"kty":"RSA","n":"AQAB","e":")" + large + "\"}"})
    EXPECT_THAT([&] { verify_web_signature(header("RS256", key), "m", "x"); },
                testing::ThrowsMessage<Error>(testing::HasSubstr("too large")));
}

TEST(Base64Url, HasItsOwnAlphabetAndNoPadding) {
  EXPECT_EQ(test::base64url("\xfb\xff\xfe"), "-__-");
  EXPECT_EQ(test::base64url("\n}"), "Cn0");
  EXPECT_EQ(from_base64url("-__-"), "\xfb\xff\xfe");
  EXPECT_EQ(from_base64url("Cn0"), "\n}");
  EXPECT_EQ(from_base64url(""), "");
  for (const char* bad : {"Cn0=", "+//+", "Cn0 ", "C", "Cn\n0", "ü"}) EXPECT_THROW(from_base64url(bad), Error) << bad;
}

}  // namespace
}  // namespace cairn
