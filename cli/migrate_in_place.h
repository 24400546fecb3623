// What `cairn migrate --in-place` does beyond migrating: exchange, way back, removal.
#pragma once

#include <optional>
#include <string>

#include "cli/exit.h"
#include "cli/globals.h"
#include "cli/migration_sides.h"

namespace cairn {

struct InPlace {
  std::string source;
  bool remove_source = false, rollback = false;
};

// What is left to do of what an earlier run did; nothing if there was none, or it is undone.
std::optional<Exit> go_on_in_place(const InPlace& wanted, const Globals& globals);

// What was made beside the old store takes its place, and what the user no longer wants goes.
void settle(const InPlace& wanted, const MigrationSides& sides, const MigrationReport& report);

}  // namespace cairn
