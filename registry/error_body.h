// What a registry's refusal means (formats: registry, 5). Registries, the proxies before them and the storage behind
// them answer in JSON of several kinds, in HTML, and in plain text.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "core/util/error.h"

namespace cairn {

struct RegistryFault {
  // not_found, invalid, unsupported; io for anything else, access denied included.
  Errc code = Errc::io;
  std::string text;                                 // one line: "manifest unknown (HTTP 404, MANIFEST_UNKNOWN)"
  std::string registry_code;                        // of the first error: "MANIFEST_UNKNOWN", "" if there is none
  bool denied = false;                              // 401 and 403: other credentials may do better
  bool retryable = false;                           // the same request may succeed later
  std::optional<std::chrono::seconds> retry_after;  // when the registry says so; at most a day
};

struct HttpRefusal {
  int status = 0;                         // of 400 and more
  std::string_view content_type, body{};  // the body's first 64 KiB will do
  std::string_view retry_after{};         // the header
};
RegistryFault fault_of(const HttpRefusal& refusal,
                       std::chrono::system_clock::time_point now = std::chrono::system_clock::now());

}  // namespace cairn
