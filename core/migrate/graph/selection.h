// Which images and containers of the source a migration is about, in Docker's order, and where they stand.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/migrate/migrate.h"
#include "core/migrate/source_trees.h"

namespace cairn {

struct Selection {
  explicit Selection(const MigrationSource& source) : trees(source.driver, source.root) {}
  std::vector<const LegacyImage*> images;  // sorted by id, parents first
  std::vector<const LegacyContainer*> containers;
  std::map<std::string, std::vector<std::string>> tags;  // v1 id -> familiar references
  SourceTrees trees;                                     // of images and containers
  std::vector<Damage> damage;            // references that no engine would take, and what of the driver is not whole
  std::vector<MigratedState> left_over;  // directories that nothing refers to
};

// Throws not_found if an id in `wanted` is not in the graph.
Selection select(const MigrationSource& source, const MigrateOptions& options);

}  // namespace cairn
