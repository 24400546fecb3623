// The program: global flags, dispatch, and the one place that turns an exception into a message and an exit status.
#pragma once

#include <map>
#include <string>

#include "cli/exit.h"

namespace cairn {

Exit run_cairn(int argc, const char* const* argv);

// "cairn", "cairn-scan", …: the manual pages of the program and of each command.
std::map<std::string, std::string> manual_pages();

}  // namespace cairn
