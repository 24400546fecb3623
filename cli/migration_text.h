// A migration as people and machines read it.
#pragma once

#include <string>
#include <vector>

#include "cli/migration_sides.h"
#include "cli/output/json.h"
#include "core/migrate/migrate.h"

namespace cairn {

// What is to be done and what it needs, a screenful at most.
std::string plan_text(const MigrationPlan& plan, const MigrationPart& source, const MigrationSides& sides);
// What was done: counts, bytes, rate.
std::string summary_text(const MigrationReport& report);
// One line for each thing that failed or is damaged.
std::vector<std::string> complaints(const MigrationReport& report);
// The document of --json and --report. A plan has the same keys; what it cannot know yet is empty or 0.
Json json_of(const MigrationReport& report);
MigrationReport as_report(const MigrationPlan& plan);
// The parts of one migration are one to whoever asked for it.
void append(MigrationReport& report, MigrationReport part);

}  // namespace cairn
