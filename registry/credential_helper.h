// Programs that keep secrets: docker-credential-NAME, asked over its standard streams.
#pragma once

#include <chrono>
#include <optional>
#include <string>

#include "registry/credential.h"

namespace cairn {

struct HelperLimits {
  std::chrono::milliseconds time{30'000};
  size_t output = 64 << 10;  // bytes
};

// Runs `docker-credential-NAME get` of the PATH, without a shell, and asks for `server` ("https://index.docker.io/v1/",
// "localhost:5000"). nullopt when it knows nothing of it. Errc::invalid if the name could not be a program's,
// Errc::not_found if there is no such program, Errc::io if it fails or takes too long, Errc::corrupt for an answer that
// is none; never with a secret in the text. It shares this process's standard error, where it may ask its user.
std::optional<Credential> ask_credential_helper(const std::string& name, const std::string& server,
                                                const HelperLimits& limits = {});

}  // namespace cairn
