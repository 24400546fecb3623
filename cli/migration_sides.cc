#include "cli/migration_sides.h"

#include "cli/exit.h"
#include "core/layer/store_lock.h"
#include "core/migrate/root_state.h"
#include "core/migrate/switch.h"

namespace cairn {

Survey MigrationPart::survey(unsigned jobs) const {
  if (graph) return cairn::survey(MigrationSource{store.root, *graph, *store.driver}, jobs);
  return cairn::survey(ContentSource{store.root, *store.metadata, *store.driver}, jobs);
}

MigrationPlan MigrationPart::plan(const MigrationTarget& target, const MigrateOptions& options) const {
  if (graph) return plan_migration(MigrationSource{store.root, *graph, *store.driver}, target, options);
  return plan_migration(ContentSource{store.root, *store.metadata, *store.driver}, target, options);
}

MigrationReport MigrationPart::run(const MigrationPlan& plan, const MigrationTarget& target,
                                   const MigrateOptions& options, Progress& progress) const {
  if (graph) return run_migration(plan, MigrationSource{store.root, *graph, *store.driver}, target, options, progress);
  return run_migration(plan, ContentSource{store.root, *store.metadata, *store.driver}, target, options, progress);
}

// An engine that runs on the source's root would see the switch, so it counts there.
MigrationTarget MigrationSides::migration_target() const {
  const Fd& held = beside ? parts.front().store.root_fd : target.root_fd;
  const auto root = std::make_shared<Fd>(held ? dup_fd(held.get()) : Fd());
  return {target.root, *target.driver, *target.metadata, [root] { refuse_if_engine_runs(root->get()); }};
}

MigrateOptions MigrationSides::options(unsigned jobs) const {
  MigrateOptions out;
  out.in_place = in_place && !beside;
  out.beside = beside;
  out.jobs = jobs;
  if (in_place)
    out.state = beside && has_old_volumes(parts.front().store.root) ? MigrateOptions::State::volumes_carried
                                                                    : MigrateOptions::State::stays;
  return out;
}

std::vector<MigrationPlan> plan_parts(const MigrationSides& sides, unsigned jobs) {
  std::vector<MigrationPlan> out;
  MigrateOptions options = sides.options(jobs);
  options.verify = true;
  for (const auto& part : sides.parts) {
    out.push_back(part.plan(sides.migration_target(), options));
    options.later_part = true;
  }
  return out;
}

void MigrationSides::make_target() {
  if (beside) StoreSwitch(parts.front().store.root).make_staging();
  as_named_by_user([&] { ensure_dir_at(AT_FDCWD, target.root.string(), 0710); });
  target.root_fd = open_dir(target.root.string());
}

std::set<std::string> MigrationSides::switched_parts() const {
  std::set<std::string> out{"image", "containers", "buildkit", "builder", target.driver_name};
  for (const auto& part : parts) {
    out.insert(part.store.driver_name);
    // Engines from 1.10 to 17.12 would migrate a graph that they find.
    if (part.graph) out.insert({"graph", "linkgraph.db", "repositories-" + part.store.driver_name});
  }
  if (has_old_volumes(parts.front().store.root)) out.insert("volumes");
  return out;
}

}  // namespace cairn
