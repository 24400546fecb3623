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
    if (record.parent) layer.parent = record.parent->str();
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
                           image.error, image.top ? image.top->str() : ""});
  }
}

static void plan_containers(const ContentSource& source, const ContentSelection& selection,
                            const MigrationTarget& target, const MigrateOptions& options, MigrationPlan& plan) {
  std::map<std::string, LayerId> directories;
  for (const auto& layer : selection.layers) directories.emplace(layer.record.chain.str(), layer.record.cache_id);
  std::vector<ContainerParts> parts;
  for (const auto& container : selection.containers) {
    const bool done = target.metadata.layers().find_mount(container.id).has_value();
    plan.containers.push_back({container.id, container.name, container.image,
                               !container.error.empty() ? "failed"
                               : done                   ? "exists"
                                                        : "planned",
                               container.error});
    ContainerParts& part = parts.emplace_back();
    if (!container.mount) continue;
    part.layers.push_back(container.mount->mount_id);
    if (container.mount->init_id) part.layers.push_back(*container.mount->init_id);
    if (container.mount->parent) part.image_layer = container.mount->parent->str();
    if (const auto below = directories.find(part.image_layer); below != directories.end()) part.below = below->second;
  }
  measure_containers(source.driver, source.root, target, parts, options, plan);
}

MigrationPlan plan_migration(const ContentSource& source, const MigrationTarget& target,
                             const MigrateOptions& options) {
  if (!options.beside && !options.later_part && exists_at(AT_FDCWD, target.root.string())) check_target(source, target);
  std::set<ChainId> there;
  for (const auto& record : target.metadata.layers().list()) there.insert(record.chain);
  const auto made = std::make_shared<ContentSelection>(select(source, options));
  examine_layers(source, there, options, *made);
  const ContentSelection& selection = *made;
  MigrationPlan plan;
  plan.selection = made;
  plan.damage = selection.damage;
  describe_repairs(plan.damage);
  plan_layers(selection, there, options, plan);
  plan_images(selection, target, plan);
  plan_containers(source, selection, target, options, plan);
  plan.state = find_root_state(source.root, target.root, options);
  plan.state.insert(plan.state.end(), selection.left_over.begin(), selection.left_over.end());
  plan_space(source.driver, target, options, 1, plan);
  return plan;
}

}  // namespace cairn
