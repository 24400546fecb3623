#include "registry/credential.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

#include "core/json/go_struct.h"
#include "core/util/error.h"

namespace cairn {
namespace {

using go_json::Omit;

// What Docker makes the key of, in its order. `auth` is never filled when it comes from a client.
struct KeyInput {
  std::string username, password, auth, identity_token, registry_token;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("username", self.username, Omit::empty);
    visit("password", self.password, Omit::empty);
    visit("auth", self.auth, Omit::empty);
    visit("identitytoken", self.identity_token, Omit::empty);
    visit("registrytoken", self.registry_token, Omit::empty);
  }
};

}  // namespace

std::string metadata_hmac_key(const Credential& who) {
  return Digest::of(go_json::encode(KeyInput{who.username, who.secret, {}, who.identity_token, who.registry_token}))
      .str();
}

std::string metadata_hmac(const std::string& key, const Digest& digest, const std::string& repository) {
  const std::string message = digest.str() + repository;
  std::array<unsigned char, 32> out;
  unsigned size = 0;
  if (!::HMAC(EVP_sha256(), key.data(), static_cast<int>(key.size()),
              reinterpret_cast<const unsigned char*>(message.data()), message.size(), out.data(), &size) ||
      size != out.size())
    throw Error(Errc::io, "computing an HMAC of '" + printable(repository) + "': OpenSSL failed");
  return Digest(out).hex();
}

}  // namespace cairn
