#include "cli/migration_sides.h"

#include <unistd.h>

#include "cli/exit.h"
#include "core/layer/store_lock.h"
#include "core/migrate/root_state.h"
#include "core/migrate/switch.h"
#include "core/util/error.h"
#include "core/util/remapped_root.h"
#include "core/util/take_group.h"

namespace cairn {

Survey MigrationPart::survey(unsigned jobs) const {
  if (graph) return cairn::survey(migration_source(), jobs);
  return cairn::survey(ContentSource{store.root, *store.metadata, *store.driver}, jobs);
}

MigrationPlan MigrationPart::plan(const MigrationTarget& target, const MigrateOptions& options) const {
  if (graph) return plan_migration(migration_source(), target, options);
  return plan_migration(ContentSource{store.root, *store.metadata, *store.driver}, target, options);
}

MigrationReport MigrationPart::run(const MigrationPlan& plan, const MigrationTarget& target,
                                   const MigrateOptions& options, Progress& progress) const {
  if (graph) return run_migration(plan, migration_source(), target, options, progress);
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

// As engines with user namespaces make theirs, and the directory that they are told: containers pass by their group.
static void make_remapped_root(const std::filesystem::path& root, const IdBase& ids) {
  for (const auto& path : {root.parent_path(), root}) {
    if (!ensure_dir_at(AT_FDCWD, path.string(), 0710)) continue;
    if (::chown(path.c_str(), static_cast<uid_t>(-1), ids.gid) != 0)
      throw_errno("giving '" + printable(path.string()) + "' its group");
  }
}

void MigrationSides::make_target() {
  if (beside) StoreSwitch(parts.front().store.root).make_staging();
  const auto ids = remapped_root(target.root);
  as_named_by_user([&] {
    if (ids)
      make_remapped_root(std::filesystem::absolute(target.root), *ids);
    else
      ensure_dir_at(AT_FDCWD, target.root.string(), 0710);
  });
  target.root_fd = open_dir(target.root.string());
  if (beside) take_group(target.root_fd.get(), parts.front().store.root_fd.get());
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
