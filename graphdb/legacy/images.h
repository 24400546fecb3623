#pragma once

#include <string>
#include <vector>

#include "core/interfaces/legacy_graph.h"
#include "graphdb/driver_layers.h"

namespace cairn {

// All of graph/, sorted by id, damaged ones with their error. Ids whose layer lies with another driver of the root only
// are that driver's images and left out.
std::vector<LegacyImage> read_legacy_images(int root_fd, const DriverLayers& layers,
                                            const std::vector<DriverLayers>& others, std::vector<Damage>& damage);

}  // namespace cairn
