// What a report says of a migration as a whole.
#pragma once

#include <string>

namespace cairn {

// Between what it ran, and how.
struct MigrationFrame {
  std::string source, source_drivers;  // "aufs (graph)"; several with commas between
  std::string target, target_driver;
  bool in_place = false, dry_run = false, verified = false;
  std::string started;  // RFC 3339
};

}  // namespace cairn
