// What a migration plans and what came of it, for people and machines.
#pragma once

#include <string>
#include <vector>

#include "cli/exit.h"
#include "cli/output/json.h"
#include "core/migrate/migrate.h"

namespace cairn {

// The table before anything is done.
std::string plan_text(const MigrationPlan& plan, const std::string& target_driver);

// A finished run, or the plan of one in its place.
class MigrationOutcome {
 public:
  explicit MigrationOutcome(MigrationReport report) : report_(std::move(report)) {}
  explicit MigrationOutcome(const MigrationPlan& plan);

  Json document() const;                             // keys as 'cairn migrate --help' lists them
  std::string summary() const;
  std::vector<std::string> complaints() const;       // one line for each thing that failed or is damaged
  Exit exit() const { return report_.complete() ? Exit::done : Exit::partly; }

 private:
  MigrationReport report_;
  std::optional<uint64_t> bytes_to_hash_, bytes_to_copy_, bytes_free_;   // of a plan
};

}  // namespace cairn
