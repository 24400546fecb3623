#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/digest/digest.h"

namespace cairn {

struct RestoredJson {
  std::string json;
  std::optional<std::string> parent;
};

// The lost graph/<id>/json of an image, from the file v1Compatibility beside it: of an image that a registry shipped
// its very bytes, accepted by their hash, which is the id (`ids`: all of the graph, where its parent is found by the
// same hash); of one built here what it says, accepted by the id in it. nullopt where neither is so.
std::optional<RestoredJson> restore_json(const std::string& id, const std::string& v1_compatibility,
                                         const std::optional<Digest>& blob, const std::vector<std::string>& ids);

}  // namespace cairn
