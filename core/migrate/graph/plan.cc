#include <algorithm>

#include "core/migrate/graph/containers.h"
#include "core/migrate/graph/examine_tar_data.h"
#include "core/migrate/graph/selection.h"
#include "core/migrate/migrate.h"
#include "core/migrate/plan_target.h"
#include "core/migrate/root_state.h"
#include "core/migrate/state.h"
#include "core/migrate/survey.h"
#include "core/util/error.h"

namespace cairn {

// By the mapping of its images, or, where that is lost, by the layers' names.
static bool is_of_source(const LegacyGraph& graph, const MigrationTarget& target, int root_fd) {
  const auto mapping = read_mapping(root_fd);
  const auto layers = target.metadata.layers().list();
  return std::any_of(mapping.begin(), mapping.end(),
                     [&](const auto& item) { return graph.image(item.first) != nullptr; }) ||
         std::any_of(layers.begin(), layers.end(),
                     [&](const LayerRecord& layer) { return graph.image(layer.cache_id.str()) != nullptr; });
}

// Empty, or a migration of this source.
static void check_target(const MigrationSource& source, const MigrationTarget& target, const Fd& root) {
  const MigrationState state(root.get(), identity_of(source));  // refuses another source's
  if (is_fresh(root.get()) || is_of_source(source.graph, target, root.get())) return;
  refuse_target(target.root, source.root);
}

static void plan_images(const MigrationTarget& target, const Selection& selection, const MigrateOptions& options,
                        const std::map<std::string, ImageId>& mapping, MigrationPlan& plan) {
  std::set<ImageId> present;
  for (const auto& id : target.metadata.images().list()) present.insert(id);
  for (const LegacyImage* image : selection.images) {
    MigratedImage item{image->id, "", {}, "planned", image->error, image->id};
    if (const auto tags = selection.tags.find(image->id); tags != selection.tags.end()) item.tags = tags->second;
    const auto done = mapping.find(image->id);
    if (done != mapping.end() && present.contains(done->second))
      item.image_id = done->second.str(), item.status = "exists";
    if (const auto taken = options.taken_over.images.find(image->id); taken != options.taken_over.images.end())
      item.image_id = taken->second.str(), item.status = "exists", item.error.clear();
    else if (!image->error.empty())
      item.status = "failed";
    MigratedLayer layer;
    layer.source_id = image->id;
    layer.parent = image->parent.value_or("");
    layer.size = image->layer_size.value_or(0);
    layer.method = image->has_tar_split ? "tar-split" : "diff";
    layer.status = item.status;
    layer.error = item.error;
    if (item.status == "planned") {
      plan.bytes_to_hash += static_cast<uint64_t>(std::max<int64_t>(layer.size, 0));
      plan.layers_of_unknown_size += !image->layer_size;
    }
    plan.images.push_back(std::move(item));
    plan.layers.push_back(std::move(layer));
  }
}

static void plan_containers(const MigrationSource& source, const MigrationTarget& target, const Selection& selection,
                            const MigrateOptions& options, MigrationPlan& plan) {
  std::vector<ContainerParts> parts;
  for (const LegacyContainer* container : selection.containers) {
    const bool done = target.metadata.layers().find_mount(container->id).has_value();
    const bool imageless = source.graph.image(container->image) == nullptr && !container->image.empty();
    plan.containers.push_back(
        {container->id, container->name, "",
         imageless                   ? "skipped"
         : !container->error.empty() ? "failed"
         : done                      ? "exists"
                                     : "planned",
         imageless ? "its image " + container->image + " was removed while it used it" : container->error});
    ContainerParts& part = parts.emplace_back();
    part.layers = {LayerId(container->id), LayerId(container->id + "-init")};
    part.image_layer = container->image;
    if (source.graph.image(container->image) != nullptr) part.below = LayerId(container->image);
  }
  measure_containers(source.driver, source.root, target, parts, options, plan);
}

MigrationPlan plan_migration(const MigrationSource& source, const MigrationTarget& target,
                             const MigrateOptions& options) {
  const bool there = exists_at(AT_FDCWD, target.root.string());
  const Fd root = nearest_directory(target.root);
  if (!options.in_place && there && !options.beside && !options.later_part) check_target(source, target, root);
  MigrationPlan plan;
  std::map<std::string, ImageId> mapping;
  if (there) mapping = read_mapping(root.get(), &plan.damage);
  std::set<std::string> known;
  for (const auto& [id, image] : mapping) known.insert(id);
  for (const auto& [id, image] : options.taken_over.images) known.insert(id);
  Selection selection = select(source, options);
  examine_tar_data(source, known, options.jobs, selection);
  for (const auto& damage : source.graph.damage())
    if (damage.kind != "container-image-missing" && !options.taken_over.has(damage.object))
      plan.damage.push_back(damage);  // engines allowed that: see the container
  plan.damage.insert(plan.damage.end(), selection.damage.begin(), selection.damage.end());
  describe_repairs(plan.damage);
  plan_images(target, selection, options, mapping, plan);
  plan_containers(source, target, selection, options, plan);
  plan.state = find_root_state(source.root, target.root, options);
  plan.state.insert(plan.state.end(), selection.left_over.begin(), selection.left_over.end());
  plan_space(source.driver, target, options, options.verify ? 2 : 1, plan);
  return plan;
}

}  // namespace cairn
