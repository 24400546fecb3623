#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/migrate/migrate.h"

namespace cairn {

// Tags and digests of what came over. Those that the target has on another image stay as they are (of several parts of
// a root the first brings them, and users of the target may have moved them since an earlier run) and are named in
// `left`.
void add_references(const MigrationTarget& target, std::map<std::string, ImageId> add,
                    std::vector<MigratedState>& left);

}  // namespace cairn
