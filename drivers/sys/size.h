// Sizes as storage options give them.
#pragma once

#include <cstdint>
#include <string>

namespace cairn {

uint64_t parse_size(const std::string& text);  // "10G", "512mb", "1024": as engines read it; invalid otherwise

}  // namespace cairn
