// Which images and containers of the source a migration is about, in Docker's order, and where they stand.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/migrate/migrate.h"

namespace cairn {

struct Selection {
  std::vector<const LegacyImage*> images;  // sorted by id, parents first
  std::vector<const LegacyContainer*> containers;
  std::map<std::string, std::vector<std::string>> tags;  // v1 id -> familiar references
  std::vector<Damage> damage;                            // references that no engine would take
};

// Throws not_found if an id in `wanted` is not in the graph.
Selection select(const LegacyGraph& graph, const MigrateOptions& options);

}  // namespace cairn
