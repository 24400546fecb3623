// FILE|- of apply and load.
#pragma once

#include <string>

#include "core/util/fd.h"

namespace cairn {

// "" and "-" are standard input. UserError if there is no such file, or standard input is a terminal.
Fd open_input(const std::string& path);
std::string input_label(const std::string& path);  // "standard input", or the path made printable

}  // namespace cairn
