// Containers of a content-addressed root: their files, their configuration under another driver, their writable layers.
#pragma once

#include "core/layer/layer_store.h"
#include "core/migrate/content/selection.h"
#include "core/migrate/place_layers.h"

namespace cairn {

// Writes everything of one container whose image layers are in the target; layerdb/mounts names it last. Throws Error;
// what it wrote is redone by the next run. False if it was there already. Adds what it copied to `bytes`.
bool migrate_container(const ContentContainer& container, const ContentSource& source, const SourceTrees& trees,
                       const MigrationTarget& target, const MigrateOptions& options, LayerPlacer& placer,
                       LayerStore& layers, bool resumed, uint64_t& bytes, Progress& progress);

// config.v2.json for another driver: the bytes as they are, but for the value of "Driver".
std::string with_driver(const std::string& config, const std::string& driver);

}  // namespace cairn
