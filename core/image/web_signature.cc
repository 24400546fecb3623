#include "core/image/web_signature.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>
#include <openssl/x509.h>

#include <algorithm>
#include <memory>

#include "core/archive/base64.h"
#include "core/json/go_struct.h"
#include "core/util/error.h"

namespace cairn {
namespace {

using go_json::Omit;

template <auto Free>
struct Freed {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};
using Key = std::unique_ptr<EVP_PKEY, Freed<EVP_PKEY_free>>;
using KeyContext = std::unique_ptr<EVP_PKEY_CTX, Freed<EVP_PKEY_CTX_free>>;
using Number = std::unique_ptr<BIGNUM, Freed<BN_free>>;
using Builder = std::unique_ptr<OSSL_PARAM_BLD, Freed<OSSL_PARAM_BLD_free>>;
using Params = std::unique_ptr<OSSL_PARAM, Freed<OSSL_PARAM_free>>;

constexpr size_t kLargestModulus = 2048, kLargestExponent = 8;  // bytes
constexpr size_t kLargestCertificate = 64 << 10;

struct Jwk {
  std::string kty, crv, x, y, n, e;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("kty", self.kty, Omit::never);
    visit("crv", self.crv, Omit::never);
    visit("x", self.x, Omit::never);
    visit("y", self.y, Omit::never);
    visit("n", self.n, Omit::never);
    visit("e", self.e, Omit::never);
  }
};

struct SignatureHeader {
  std::string alg;
  std::optional<Jwk> jwk;
  go_json::Strings x5c;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("alg", self.alg, Omit::never);
    visit("jwk", self.jwk, Omit::empty);
    visit("x5c", self.x5c, Omit::empty);
  }
};

struct Algorithm {
  const char* name;
  const EVP_MD* (*hash)();
  const char* group;  // OpenSSL's name of an EC key's curve; nullptr: RSA
  const char* curve;  // JWK's
  size_t coordinate;  // bytes
};
constexpr Algorithm kAlgorithms[] = {
    {"ES256", EVP_sha256, "prime256v1", "P-256", 32}, {"ES384", EVP_sha384, "secp384r1", "P-384", 48},
    {"ES512", EVP_sha512, "secp521r1", "P-521", 66},  {"RS256", EVP_sha256, nullptr, nullptr, 0},
    {"RS384", EVP_sha384, nullptr, nullptr, 0},       {"RS512", EVP_sha512, nullptr, nullptr, 0},
};

[[noreturn]] void refuse(const std::string& why) {
  ::ERR_clear_error();  // or TLS on this thread takes it for its own
  throw Error(Errc::corrupt, "checking a signature: " + why);
}

const Algorithm& algorithm_of(const std::string& name) {
  for (const auto& one : kAlgorithms)
    if (name == one.name) return one;
  refuse("the algorithm '" + printable(name, 40) + "' is none of ES256, ES384, ES512, RS256, RS384, RS512");
}

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

Number number_of(std::string_view bytes) {
  return Number(BN_bin2bn(bytes_of(bytes), static_cast<int>(bytes.size()), nullptr));
}

Key key_from(const char* type, OSSL_PARAM_BLD* builder) {
  const Params params(OSSL_PARAM_BLD_to_param(builder));
  const KeyContext context(EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr));
  EVP_PKEY* key = nullptr;
  if (!params || !context || EVP_PKEY_fromdata_init(context.get()) != 1 ||
      EVP_PKEY_fromdata(context.get(), &key, EVP_PKEY_PUBLIC_KEY, params.get()) != 1)
    refuse("the key that comes with it is none");
  return Key(key);
}

Key ec_key(const Jwk& jwk, const Algorithm& algorithm) {
  const std::string x = from_base64url(jwk.x), y = from_base64url(jwk.y);
  if (jwk.crv != algorithm.curve || std::max(x.size(), y.size()) > algorithm.coordinate)
    refuse("the key's curve does not fit the algorithm");
  const auto padded = [&](const std::string& one) {
    return std::string(algorithm.coordinate - one.size(), '\0') + one;
  };
  const std::string point = '\x04' + padded(x) + padded(y);
  const Builder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_utf8_string(builder.get(), OSSL_PKEY_PARAM_GROUP_NAME, algorithm.group, 0);
  OSSL_PARAM_BLD_push_octet_string(builder.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size());
  return key_from("EC", builder.get());
}

Key rsa_key(const Jwk& jwk) {
  const std::string modulus = from_base64url(jwk.n), exponent = from_base64url(jwk.e);
  if (modulus.size() > kLargestModulus || exponent.size() > kLargestExponent) refuse("the key is too large");
  const Number n = number_of(modulus), e = number_of(exponent);
  const Builder builder(OSSL_PARAM_BLD_new());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_N, n.get());
  OSSL_PARAM_BLD_push_BN(builder.get(), OSSL_PKEY_PARAM_RSA_E, e.get());
  return key_from("RSA", builder.get());
}

Key certified_key(const std::string& certificate) {
  std::string der;
  if (certificate.size() > kLargestCertificate || !append_from_base64(der, certificate, Base64Padding::optional))
    refuse("its certificate is no base64, or too large");
  const auto* at = bytes_of(der);
  const std::unique_ptr<X509, Freed<X509_free>> parsed(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  Key key(parsed ? X509_get_pubkey(parsed.get()) : nullptr);
  if (!key) refuse("its certificate is none");
  return key;
}

// Of the kind the algorithm is for.
void check_kind(const Key& key, const Algorithm& algorithm) {
  if (!algorithm.group) {
    if (EVP_PKEY_is_a(key.get(), "RSA") && EVP_PKEY_get_bits(key.get()) <= static_cast<int>(8 * kLargestModulus))
      return;
  } else {
    char group[40] = "";
    if (EVP_PKEY_is_a(key.get(), "EC") && EVP_PKEY_get_group_name(key.get(), group, sizeof group, nullptr) == 1 &&
        std::string_view(group) == algorithm.group)
      return;
  }
  refuse(std::string("the key cannot have signed by ") + algorithm.name);
}

Key key_of(const SignatureHeader& header, const Algorithm& algorithm) {
  if (header.x5c && !header.x5c->empty()) return certified_key(header.x5c->front());
  if (!header.jwk) refuse("no key comes with it");
  if (header.jwk->kty != (algorithm.group ? "EC" : "RSA")) refuse(std::string("the key is none for ") + algorithm.name);
  return algorithm.group ? ec_key(*header.jwk, algorithm) : rsa_key(*header.jwk);
}

// r and s as OpenSSL wants them.
std::string der_of(std::string_view raw, const Algorithm& algorithm) {
  if (raw.size() != 2 * algorithm.coordinate) refuse("it is not as long as one of this kind");
  const std::unique_ptr<ECDSA_SIG, Freed<ECDSA_SIG_free>> pair(ECDSA_SIG_new());
  Number r = number_of(raw.substr(0, algorithm.coordinate)), s = number_of(raw.substr(algorithm.coordinate));
  ECDSA_SIG_set0(pair.get(), r.release(), s.release());
  std::string out(static_cast<size_t>(std::max(i2d_ECDSA_SIG(pair.get(), nullptr), 0)), '\0');
  auto* to = reinterpret_cast<unsigned char*>(out.data());
  i2d_ECDSA_SIG(pair.get(), &to);
  return out;
}

}  // namespace

std::string from_base64url(std::string_view text) {
  std::string standard(text), out;
  if (text.find_first_of("+/=") == text.npos) {
    std::replace(standard.begin(), standard.end(), '-', '+');
    std::replace(standard.begin(), standard.end(), '_', '/');
    if (append_from_base64(out, standard, Base64Padding::optional)) return out;
  }
  throw Error(Errc::corrupt, "reading '" + printable(text, 40) + "': that is no base64 for URLs");
}

void append_base64url(std::string& out, std::string_view bytes) {
  const size_t before = out.size();
  append_base64(out, bytes);
  std::replace(out.begin() + static_cast<ptrdiff_t>(before), out.end(), '+', '-');
  std::replace(out.begin() + static_cast<ptrdiff_t>(before), out.end(), '/', '_');
  while (out.ends_with('=')) out.pop_back();
}

void verify_web_signature(std::string_view header_json, std::string_view message, std::string_view signature) {
  const auto header = go_json::read_struct<SignatureHeader>(header_json);
  const auto& algorithm = algorithm_of(header.alg);
  const Key key = key_of(header, algorithm);
  check_kind(key, algorithm);
  const std::string wanted = algorithm.group ? der_of(signature, algorithm) : std::string(signature);
  const std::unique_ptr<EVP_MD_CTX, Freed<EVP_MD_CTX_free>> context(EVP_MD_CTX_new());
  if (EVP_DigestVerifyInit(context.get(), nullptr, algorithm.hash(), nullptr, key.get()) != 1 ||
      EVP_DigestVerify(context.get(), bytes_of(wanted), wanted.size(), bytes_of(message), message.size()) != 1)
    refuse("it is not of this content");
}

}  // namespace cairn
