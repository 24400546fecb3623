// The parts of a root know of each other here: what one of them brings, none of the others has to bring again.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/migration_sides.h"

namespace cairn {

struct PlannedPart {
  const MigrationPart* part;
  MigrateOptions options;
  MigrationPlan plan;
};

// In the order in which they are to be run. `base`: what is asked of all of them. `images`: names that the user chose;
// empty: all. `made` sees each part as it is planned. UserError if no part has an image of such a name.
std::vector<PlannedPart> plan_parts(const MigrationSides& sides, const MigrateOptions& base,
                                    const std::vector<std::string>& images = {},
                                    const std::function<void(const PlannedPart&)>& made = {});

}  // namespace cairn
