// A migration as programs read it: the documents of --json and --report.
#pragma once

#include "cli/migration_frame.h"
#include "cli/output/json.h"
#include "core/migrate/migrate.h"

namespace cairn {

// A dry run has the same keys; what it cannot know yet is empty or 0.
Json json_of(const MigrationReport& report, const MigrationFrame& frame);

// What plans need, all together: what --dry-run and scan tell beforehand.
struct Estimate {
  uint64_t bytes_to_hash = 0, bytes_to_copy = 0, bytes_free = 0;
  uint64_t layers_of_unknown_size = 0, containers_of_unknown_size = 0;
  LinkKind links = LinkKind::none;
  double seconds = 0;
  DiskSample sample;
  void add(const MigrationPlan& plan);
};
Json json_of(const Estimate& estimate);

}  // namespace cairn
