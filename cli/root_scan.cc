#include "cli/root_scan.h"

#include <algorithm>

#include "cli/exit.h"
#include "cli/output/terminal.h"
#include "core/migrate/graph/taken_over.h"
#include "core/migrate/survey.h"
#include "core/util/error.h"

namespace cairn {

// What a later engine has of it is whole or damaged there.
static void add_taken_over(const MigrationPart& part, DriverScan& scan, RootScan& all) {
  const TakenOver taken = taken_over(part.migration_source(), *part.store.metadata);
  for (const auto& image : part.graph->images())
    scan.taken_over_images += image.error.empty() && taken.images.contains(image.id);
  for (const auto& container : part.graph->containers())
    scan.taken_over_containers += container.error.empty() && taken.containers.contains(container.id);
  std::erase_if(scan.damage, [&](const Damage& one) { return taken.has(one.object); });
  const auto left = left_to_graph(part.migration_source(), taken);
  for (auto& other : all.drivers)
    if (other.name == scan.name && other.layout != scan.layout)
      std::erase_if(other.damage, [&](const Damage& one) { return left.contains(one.object); });
}

// What migrating would do about damage. A driver that cannot be opened here leaves the damage as it is.
static void survey_damage(DriverScan& scan, RootScan& all, unsigned jobs) try {
  const MigrationPart part = open_part(all.root, {scan.name, scan.layout == "graph"}, {});
  add_survey(part.survey(jobs), scan.damage);
  if (part.graph) add_taken_over(part, scan, all);
} catch (const Error& e) {
  if (e.code() == Errc::interrupted) throw;
  debug("surveying the damage of " + scan.name + ": " + e.what());
}

RootScan scan_of(const std::string& root, const Globals& globals) {
  RootScan scan = as_named_by_user([&] { return scan_root(root, {globals.jobs, true}); });
  if (!globals.driver.empty())
    std::erase_if(scan.drivers, [&](const DriverScan& one) { return one.name != name_in_root(globals.driver); });
  for (auto& driver : scan.drivers) survey_damage(driver, scan, globals.jobs);
  return scan;
}

}  // namespace cairn
