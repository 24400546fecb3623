// After a migration: every layer read back from the target gives its DiffID, and shows the tree the source shows.
#pragma once

#include <vector>

#include "core/migrate/migrate.h"
#include "core/migrate/place_layers.h"

namespace cairn {

// Appends what is wrong to report.damage ("verify-failed").
void verify_migration(const SourceTrees& source, const MigrationTarget& target, const std::vector<LayerPlace>& places,
                      LayerStore& layers, const MigrateOptions& options, MigrationReport& report, Progress& progress);

// rootfs.diff_ids of an image configuration.
std::vector<DiffId> diff_ids_of(const std::string& config);

}  // namespace cairn
