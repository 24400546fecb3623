// Where a root lies, as far as what to do with it depends on that.
#pragma once

#include <string>

#include "cli/advice.h"
#include "cli/globals.h"

namespace cairn {

// Writes nothing.
Surroundings surroundings_of(const std::string& root, const Globals& globals);

}  // namespace cairn
