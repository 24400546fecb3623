// Sizes as people read them: decimal, three significant digits, Docker's units.
#pragma once

#include <cstdint>
#include <string>

namespace cairn {

std::string human_size(int64_t bytes);  // "0B", "999B", "1.2MB", "72.8MB"
std::string human_size(uint64_t bytes);

}  // namespace cairn
