#include "cli/damage.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/output/terminal.h"
#include "core/util/error.h"

namespace cairn {

std::string describe(const Damage& damage) {
  const std::string what =
      printable(damage.kind) + " " + printable(damage.object) + ": " + printable(damage.detail, 1000);
  return damage.repair.empty() ? what : what + "; migrated: " + printable(damage.repair, 1000);
}

Json json_of(const Damage& damage) {
  return {{"kind", damage.kind},
          {"object", damage.object},
          {"detail", damage.detail},
          {"repair", text_or_null(damage.repair)}};
}

void warn_of(const std::vector<Damage>& damage) {
  static constexpr size_t shown = 5;
  for (size_t i = 0; i < std::min(shown, damage.size()); ++i) warn(describe(damage[i]));
  if (damage.size() > shown)
    warn(fmt::format("{} more damaged things; 'cairn scan' lists them", damage.size() - shown));
}

}  // namespace cairn
