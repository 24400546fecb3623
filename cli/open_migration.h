// Opens both ends of `cairn migrate`.
#pragma once

#include <string>

#include "cli/globals.h"
#include "cli/migration_sides.h"

namespace cairn {

// `source_driver` "": all that the source holds. `target` "": in place. Makes nothing. UserError if there is nothing to
// migrate; Errc::in_use if an engine has the target.
MigrationSides open_migration(const Globals& globals, const std::string& source, const std::string& source_driver,
                              const std::string& target);

}  // namespace cairn
