// A migration as people and machines read it.
#pragma once

#include <string>
#include <vector>

#include "cli/migration_json.h"
#include "cli/migration_sides.h"
#include "core/migrate/migrate.h"

namespace cairn {

// What is to be done and what it needs, a screenful at most.
std::string plan_text(const MigrationPlan& plan, const MigrationPart& source, const MigrationSides& sides);
// What was done: counts, bytes, rate.
std::string summary_text(const MigrationReport& report);
// One line for each thing that failed or is damaged.
std::vector<std::string> complaints(const MigrationReport& report);
// The space and the time it takes, and how that was found out: a few lines.
std::vector<std::string> estimate_lines(const Estimate& estimate, unsigned jobs);

}  // namespace cairn
