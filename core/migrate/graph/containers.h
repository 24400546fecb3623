// Containers and volumes of a legacy root: writable layers, configuration, logs, names, links, mounts.
#pragma once

#include <map>
#include <set>
#include <string>

#include "core/migrate/migrate.h"
#include "core/migrate/place_layers.h"

namespace cairn {

struct ImagePlace {  // an image that is in the target
  ImageId id;
  ChainId chain;
  LayerId source_layer, target_layer;
};

// Writes everything of one container; layerdb/mounts names it last. Throws Error; what it wrote is redone by the next
// run. False if it was there already.
bool migrate_container(const LegacyContainer& container, const ImagePlace& image, const MigrationSource& source,
                       const SourceTrees& trees, const MigrationTarget& target, const MigrateOptions& options,
                       LayerPlacer& placer, LayerStore& layers, bool resumed);

// config.v2.json's MountPoints for a container that has only Volumes and VolumesRW (before 1.8), as compact JSON;
// nullopt if there is nothing to say. `volumes`: the names that exist as volumes; other paths stay bind mounts.
std::optional<std::string> mount_points_from_volumes(const std::string& config_json,
                                                     const std::set<std::string>& volumes, bool volumes_stay);

}  // namespace cairn
