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

// The file of graph/<id> with the record of its layer's tar: that of Docker's own migration, once it was done with the
// layer (it had to make a fresh one where the first did not fit the files), else the first.
std::string tar_split_file(int graph_fd, const std::string& id);

}  // namespace cairn
