// What is alike for every container that comes over, whatever its source.
#pragma once

#include <memory>
#include <optional>

#include "core/layer/layer_store.h"
#include "core/migrate/migrate.h"
#include "core/migrate/place_layers.h"

namespace cairn {

struct ContainerLayers {
  MountRecord mount;
  std::optional<LayerId> source_below, target_below;  // the image's layer that they lie on, here and there
};

// Writes the init layer and the writable one. What is returned names them for whoever clears up after a crash: it is
// kept until the container is published.
std::unique_ptr<LayerTransaction> copy_layers(const ContainerLayers& container, const MigrationTarget& target,
                                              LayerPlacer& placer);

// layerdb/mounts names the container, of which all is on stable storage; a record of an earlier run makes way.
void publish_container(const MountRecord& mount, const MigrationTarget& target);

}  // namespace cairn
