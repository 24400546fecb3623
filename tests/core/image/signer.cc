#include "tests/core/image/signer.h"

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include <stdexcept>

#include "core/archive/base64.h"
#include "core/image/web_signature.h"

namespace cairn::test {
namespace {

bool is_ec(const std::string& alg) { return alg[0] == 'E'; }
const char* curve_of(const std::string& alg) { return alg == "ES256" ? "P-256" : alg == "ES384" ? "P-384" : "P-521"; }
int width_of(const std::string& alg) { return alg == "ES256" ? 32 : alg == "ES384" ? 48 : 66; }
const EVP_MD* hash_of(const std::string& alg) {
  return alg.ends_with("256") ? EVP_sha256() : alg.ends_with("384") ? EVP_sha384() : EVP_sha512();
}

std::string padded(const BIGNUM* number, int width) {
  std::string out(static_cast<size_t>(width), '\0');
  BN_bn2binpad(number, reinterpret_cast<unsigned char*>(out.data()), width);
  return out;
}
std::string parameter(EVP_PKEY* key, const char* name, int width = 0) {
  BIGNUM* number = nullptr;
  if (EVP_PKEY_get_bn_param(key, name, &number) != 1) throw std::runtime_error(name);
  const std::string out = padded(number, width ? width : BN_num_bytes(number));
  BN_free(number);
  return base64url(out);
}

}  // namespace

std::string base64url(const std::string& bytes) {
  std::string out;
  append_base64url(out, bytes);
  return out;
}

Signer::Signer(const std::string& alg)
    : alg_(alg), key_(is_ec(alg) ? EVP_EC_gen(curve_of(alg)) : EVP_RSA_gen(1024), &EVP_PKEY_free) {
  if (!key_) throw std::runtime_error("no key");
}

std::string Signer::jwk() const {
  if (!is_ec(alg_))
    return R"({"kty":"RSA","kid":"any","n":")" + parameter(key_.get(), OSSL_PKEY_PARAM_RSA_N) + R"(","e":")" +
           parameter(key_.get(), OSSL_PKEY_PARAM_RSA_E) + "\"}";
  return std::string(R"({"kty":"EC","kid":"any","crv":")") + curve_of(alg_) + R"(","x":")" +
         parameter(key_.get(), OSSL_PKEY_PARAM_EC_PUB_X, width_of(alg_)) + R"(","y":")" +
         parameter(key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y, width_of(alg_)) + "\"}";
}

std::string Signer::certificate() const {
  const std::unique_ptr<X509, decltype(&X509_free)> made(X509_new(), &X509_free);
  X509_gmtime_adj(X509_getm_notBefore(made.get()), 0);
  X509_gmtime_adj(X509_getm_notAfter(made.get()), 3600);
  X509_set_pubkey(made.get(), key_.get());
  X509_sign(made.get(), key_.get(), EVP_sha256());
  std::string der(static_cast<size_t>(i2d_X509(made.get(), nullptr)), '\0'), out;
  auto* to = reinterpret_cast<unsigned char*>(der.data());
  i2d_X509(made.get(), &to);
  append_base64(out, der);
  return out;
}

std::string Signer::sign(const std::string& message) const {
  const std::unique_ptr<EVP_MD_CTX, decltype(&EVP_MD_CTX_free)> context(EVP_MD_CTX_new(), &EVP_MD_CTX_free);
  const auto* bytes = reinterpret_cast<const unsigned char*>(message.data());
  size_t size = 0;
  std::string out;
  if (EVP_DigestSignInit(context.get(), nullptr, hash_of(alg_), nullptr, key_.get()) != 1 ||
      EVP_DigestSign(context.get(), nullptr, &size, bytes, message.size()) != 1)
    throw std::runtime_error("signing");
  out.resize(size);
  EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(out.data()), &size, bytes, message.size());
  out.resize(size);
  if (!is_ec(alg_)) return out;
  const auto* from = reinterpret_cast<const unsigned char*>(out.data());
  const std::unique_ptr<ECDSA_SIG, decltype(&ECDSA_SIG_free)> pair(
      d2i_ECDSA_SIG(nullptr, &from, static_cast<long>(size)), &ECDSA_SIG_free);
  return padded(ECDSA_SIG_get0_r(pair.get()), width_of(alg_)) + padded(ECDSA_SIG_get0_s(pair.get()), width_of(alg_));
}

std::string signed_document(const std::string& payload, const std::vector<const Signer*>& signers) {
  const size_t length = payload.size() - 2;
  const auto protected_text = base64url("{\"formatLength\":" + std::to_string(length) + ",\"formatTail\":\"" +
                                        base64url(payload.substr(length)) + R"(","time":"2015-12-01T00:00:00Z"})");
  std::string blocks;
  for (const auto* signer : signers)
    blocks += (blocks.empty() ? "" : ",") + (R"({"header":{"jwk":)" + signer->jwk()) + R"(,"alg":")" + signer->alg() +
              R"("},"signature":")" + base64url(signer->sign(protected_text + '.' + base64url(payload))) +
              R"(","protected":")" + protected_text + "\"}";
  return payload.substr(0, length) + ",\n   \"signatures\": [" + blocks + "]\n}";
}

}  // namespace cairn::test
