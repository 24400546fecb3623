// What `cairn scan` finds in a root.
#pragma once

#include <string>

#include "cli/globals.h"
#include "cli/wiring.h"

namespace cairn {

// What a root is, and what migrating would do about its damage. With the global driver flag only that driver's part.
RootScan scan_of(const std::string& root, const Globals& globals);

}  // namespace cairn
