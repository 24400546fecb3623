#pragma once

#include <functional>
#include <string>
#include <vector>

#include "core/interfaces/legacy_graph.h"
#include "graphdb/driver_layers.h"

namespace cairn {

// All of containers/ that has a config.json, sorted by id, with the error of those that cannot be carried on. One of
// another driver has an error and is no damage.
std::vector<LegacyContainer> read_legacy_containers(int root_fd, const std::string& driver, const DriverLayers& layers,
                                                    const std::function<const LegacyImage*(const std::string&)>& image,
                                                    std::vector<Damage>& damage);

}  // namespace cairn
