// Graphs that an engine of 1.10 to 18.09 migrated in place, or died while migrating.
#pragma once

#include <set>

#include "core/migrate/migrate.h"

namespace cairn {

// By the mapping that the engine left in the root: images of which `content`, the same driver's part of the root, has
// what they became, unless that is in `lost`. Only reads.
TakenOver taken_over(const MigrationSource& source, MetadataStore& content, const std::set<std::string>& lost = {});

// All images of `source`, whose layers may have their names, and the containers that the engine has not taken over.
std::set<std::string> left_to_graph(const MigrationSource& source, const TakenOver& taken);

}  // namespace cairn
