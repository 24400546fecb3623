#include <algorithm>
#include <map>
#include <set>

#include "core/migrate/content/examine_layers.h"
#include "core/migrate/content/selection.h"
#include "core/migrate/migrate.h"
#include "core/migrate/plan_target.h"
#include "core/migrate/root_state.h"
#include "core/migrate/state.h"
#include "core/migrate/survey.h"
#include "core/util/error.h"

namespace cairn {

// Empty, or with images of this source.
static void check_target(const ContentSource& source, const MigrationTarget& target) {
  const Fd root = open_dir(target.root.string());
  const MigrationState state(root.get(), identity_of(source));  // refuses another source's
  if (is_fresh(root.get())) return;
  const auto there = target.metadata.images().list();
  const auto ours = source.metadata.images().list();
  if (std::any_of(there.begin(), there.end(),
                  [&](const ImageId& id) { return std::binary_search(ours.begin(), ours.end(), id); }))
    return;
  refuse_target(target.root, source.root);
}

static void plan_layers(const ContentSelection& selection, const std::set<ChainId>& there,
                        const MigrateOptions& options, MigrationPlan& plan) {
  for (const auto& [record, tar_split, form] : selection.layers) {
    MigratedLayer layer;
    layer.source_id = layer.chain_id = record.chain.str();
    layer.diff_id = record.diff.str();
    layer.cache_id = record.cache_id.str();
    layer.size = record.size;
    layer.method = "kept";
    layer.status = there.contains(record.chain) ? "exists" : "planned";
    if (options.verify) plan.bytes_to_hash += static_cast<uint64_t>(std::max<int64_t>(record.size, 0));
    plan.layers.push_back(std::move(layer));
  }
}

static void plan_images(const ContentSelection& selection, const MigrationTarget& target, MigrationPlan& plan) {
  const auto there = target.metadata.images().list();
  for (const auto& image : selection.images) {
    const bool exists = std::binary_search(there.begin(), there.end(), image.id);
    plan.images.push_back({image.id.str(), exists ? image.id.str() : "", image.tags,
                           !image.error.empty() ? "failed"
                           : exists             ? "exists"
                                                : "planned",
                           image.error});
  }
}

static void plan_containers(const ContentSelection& selection, const MigrationTarget& target, MigrationPlan& plan) {
  for (const auto& container : selection.containers) {
    const bool done = target.metadata.layers().find_mount(container.id).has_value();
    plan.containers.push_back({container.id, container.name, container.image,
                               !container.error.empty() ? "failed"
                               : done                   ? "exists"
                                                        : "planned",
                               container.error});
  }
}

// Bytes to be written when nothing can be shared; whole trees where each layer stands alone.
static uint64_t bytes_unshared(const MigrationTarget& target, const ContentSelection& selection) {
  std::map<ChainId, uint64_t> whole;
  uint64_t total = 0;
  for (const auto& [record, tar_split, form] : selection.layers) {
    const auto own = static_cast<uint64_t>(std::max<int64_t>(record.size, 0));
    whole[record.chain] = own + (record.parent ? whole[*record.parent] : 0);
    total += target.driver.layers_stand_alone() ? whole[record.chain] : own;
  }
  return total;
}

MigrationPlan plan_migration(const ContentSource& source, const MigrationTarget& target,
                             const MigrateOptions& options) {
  if (!options.beside && !options.later_part && exists_at(AT_FDCWD, target.root.string())) check_target(source, target);
  std::set<ChainId> there;
  for (const auto& record : target.metadata.layers().list()) there.insert(record.chain);
  const auto made = std::make_shared<ContentSelection>(select(source, options));
  examine_layers(source, there, options.jobs, *made);
  const ContentSelection& selection = *made;
  MigrationPlan plan;
  plan.selection = made;
  plan.damage = selection.damage;
  describe_repairs(plan.damage);
  plan_layers(selection, there, options, plan);
  plan_images(selection, target, plan);
  plan_containers(selection, target, plan);
  plan.state = find_root_state(source.root, options);
  plan.state.insert(plan.state.end(), selection.left_over.begin(), selection.left_over.end());
  plan_space(source.driver, target, options, bytes_unshared(target, selection), plan);
  return plan;
}

}  // namespace cairn
