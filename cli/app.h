// The program: global flags, dispatch, and the one place that turns an exception into a message and an exit status.
#pragma once

#include "cli/exit.h"

namespace cairn {

Exit run_cairn(int argc, const char* const* argv);

}  // namespace cairn
