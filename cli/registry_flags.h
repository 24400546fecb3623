// The flags of commands that speak to registries, as docker and podman name them.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "core/image/reference.h"
#include "core/interfaces/registry.h"

namespace cairn {

struct RegistryFlags {
  bool plain_http = false;
  std::optional<bool> tls_verify;
  std::string authfile, creds, cert_dir;
  unsigned retries = 5, stall_seconds = 30;
};

void add_registry_flags(CLI::App& app, RegistryFlags& flags);

// Opens the repository of `reference`; `notice` is told when a request is repeated. Implemented in wiring.cc.
enum class RegistryPurpose { pull, push };
std::unique_ptr<RemoteRepository> open_repository(const Reference& reference, const RegistryFlags& flags,
                                                  RegistryPurpose purpose,
                                                  std::function<void(const std::string&)> notice);

}  // namespace cairn
