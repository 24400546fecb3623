#include "cli/output/size.h"

#include <fmt/format.h>

#include <array>
#include <cmath>
#include <string_view>

namespace cairn {

static std::string scaled(double value) {
  static constexpr std::array<std::string_view, 9> units = {"B", "kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"};
  size_t unit = 0;
  // 999.5 would be printed as 1e+03: what rounds up to the next unit belongs to it.
  while (value >= 999.5 && unit + 1 < units.size()) {
    value /= 1000;
    ++unit;
  }
  return fmt::format("{:.3g}{}", value, units[unit]);
}

std::string human_size(uint64_t bytes) { return scaled(static_cast<double>(bytes)); }

std::string human_size(int64_t bytes) {
  // Legacy layersize files of 32-bit engines hold negative numbers.
  return bytes < 0 ? "-" + scaled(-static_cast<double>(bytes)) : scaled(static_cast<double>(bytes));
}

}  // namespace cairn
