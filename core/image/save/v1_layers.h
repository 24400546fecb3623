// How engines from 1.10 to 24 describe layers to those before: `docker save` puts a directory for each into its archive
// (formats: registry, 6; migration-v1, 8.5).
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/digest/digest.h"

namespace cairn {

struct V1Layer {
  std::string id;    // 64 hex digits; opaque to whoever loads it
  std::string json;  // exact bytes
};

// Base first, the bytes those of engines from 20.10 on (in UTC). Errc::corrupt where an engine would refuse `config`.
std::vector<V1Layer> v1_layers(const std::string& config, std::span<const DiffId> diffs);

// When the image was made, in seconds since 1970; 0 if that is not known, or was before.
int64_t created_time(const std::string& config);

}  // namespace cairn
