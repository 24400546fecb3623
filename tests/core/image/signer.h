// Keys and signatures of a test's own, as libtrust makes them.
#pragma once

#include <openssl/evp.h>

#include <memory>
#include <string>
#include <vector>

namespace cairn::test {

class Signer {
 public:
  explicit Signer(const std::string& alg);  // "ES256" … "RS512": a new key
  const std::string& alg() const { return alg_; }
  std::string jwk() const;                             // JSON
  std::string certificate() const;                     // base64 of DER, signed by the key itself
  std::string sign(const std::string& message) const;  // raw

 private:
  std::string alg_;
  std::shared_ptr<EVP_PKEY> key_;
};

std::string base64url(const std::string& bytes);

// A document of which `signers` signed `payload`: an object that ends with "\n}".
std::string signed_document(const std::string& payload, const std::vector<const Signer*>& signers);

}  // namespace cairn::test
