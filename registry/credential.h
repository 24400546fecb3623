// Who one is at a registry, and how engines mark what they pushed as that one.
#pragma once

#include <string>

#include "core/digest/digest.h"

namespace cairn {

// Nothing of this but the user's name may get into a message.
struct Credential {
  std::string username, secret;
  std::string identity_token;  // to get tokens with, in place of a name and a secret
  std::string registry_token;  // to be sent as it is

  bool has_password() const noexcept { return !username.empty() && !secret.empty(); }
  bool empty() const noexcept {
    return username.empty() && secret.empty() && identity_token.empty() && registry_token.empty();
  }
};

// What an engine records with a blob that it pushed as `who`, so that it can tell later which blobs it may mount
// (formats: content-addressed, 7). `repository`: the canonical name, "docker.io/library/busybox".
std::string metadata_hmac_key(const Credential& who);
std::string metadata_hmac(const std::string& key, const Digest& digest, const std::string& repository);

}  // namespace cairn
