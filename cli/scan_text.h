// What scan says of a root, to people and to programs.
#pragma once

#include <optional>
#include <string>

#include "cli/advice.h"
#include "cli/migration_json.h"
#include "cli/wiring.h"

namespace cairn {

struct ScanReport {
  RootScan root;
  Advice advice;
  std::optional<Estimate> estimate;  // of the way that is advised
  std::string obstacle;              // why there is none, or why it could not be done now; "" if all is well
};

Json json_of(const ScanReport& report);
std::string scan_text(const ScanReport& report, unsigned jobs);

}  // namespace cairn
