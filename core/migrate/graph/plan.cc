#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>

#include "core/migrate/graph/containers.h"
#include "core/migrate/migrate.h"
#include "core/migrate/root_state.h"
#include "core/migrate/graph/selection.h"
#include "core/migrate/state.h"
#include "core/util/error.h"

namespace cairn {

static bool known_to_source(const LegacyGraph& graph, const std::map<std::string, ImageId>& mapping) {
  return std::any_of(mapping.begin(), mapping.end(),
                     [&](const auto& item) { return graph.image(item.first) != nullptr; });
}

// Empty, or a migration of this source.
static void check_target(const MigrationSource& source, const MigrationTarget& target, const Fd& root) {
  const MigrationState state(root.get(), source.graph, source.root.string());  // refuses another source's
  if (exists_at(root.get(), ".cairn-migration")) return;
  const auto names = list_dir(root.get());
  if (names.empty() || (names.size() == 1 && names[0] == "lost+found")) return;
  if (known_to_source(source.graph, read_mapping(root.get()))) return;
  throw Error(Errc::already_exists, "opening the target '" + target.root.string() +
                                        "': it is neither empty nor an earlier migration of '" + source.root.string() +
                                        "'; choose another directory");
}

static void plan_images(const MigrationTarget& target, const Selection& selection,
                        const std::map<std::string, ImageId>& mapping, MigrationPlan& plan) {
  std::set<ImageId> present;
  for (const auto& id : target.metadata.images().list()) present.insert(id);
  for (const LegacyImage* image : selection.images) {
    MigratedImage item{image->id, "", {}, "planned", image->error};
    if (const auto tags = selection.tags.find(image->id); tags != selection.tags.end()) item.tags = tags->second;
    const auto done = mapping.find(image->id);
    if (done != mapping.end() && present.contains(done->second))
      item.image_id = done->second.str(), item.status = "exists";
    if (!image->error.empty()) item.status = "failed";
    MigratedLayer layer;
    layer.source_id = image->id;
    layer.size = image->layer_size.value_or(0);
    layer.method = image->has_tar_split ? "tar-split" : "diff";
    layer.status = item.status;
    layer.error = image->error;
    if (item.status == "planned") {
      plan.bytes_to_hash += static_cast<uint64_t>(std::max<int64_t>(layer.size, 0));
      plan.layers_of_unknown_size += !image->layer_size;
    }
    plan.images.push_back(std::move(item));
    plan.layers.push_back(std::move(layer));
  }
}

// Bytes to be written when nothing can be shared; whole trees where each layer stands alone.
static uint64_t bytes_unshared(const MigrationTarget& target, const Selection& selection) {
  std::map<std::string, uint64_t> whole;
  uint64_t total = 0;
  for (const LegacyImage* image : selection.images) {
    const auto own = static_cast<uint64_t>(std::max<int64_t>(image->layer_size.value_or(0), 0));
    whole[image->id] = own + (image->parent && whole.contains(*image->parent) ? whole[*image->parent] : 0);
    total += target.driver.layers_stand_alone() ? whole[image->id] : own;
  }
  return total;
}

static void plan_space(const MigrationSource& source, const MigrationTarget& target, const MigrateOptions& options,
                       const Selection& selection, const Fd& root, MigrationPlan& plan) {
  struct stat a, b;
  struct statvfs space;
  if (::fstat(source.driver.home_fd(), &a) != 0 || ::fstat(root.get(), &b) != 0 || ::fstatvfs(root.get(), &space) != 0)
    throw_errno("reading the free space of '" + target.root.string() + "'");
  plan.linked = a.st_dev == b.st_dev;
  plan.bytes_free = static_cast<uint64_t>(space.f_bavail) * space.f_frsize;
  if (!options.in_place && !plan.linked) plan.bytes_to_copy = bytes_unshared(target, selection);
  if (options.in_place) plan.linked = true;
  plan.seconds =
      static_cast<double>(plan.bytes_to_hash) / (2e8 * options.jobs) + static_cast<double>(plan.bytes_to_copy) / 5e8;
  if (plan.bytes_to_copy > plan.bytes_free)
    throw Error(Errc::no_space, "planning the migration to '" + target.root.string() + "': it needs " +
                                    std::to_string(plan.bytes_to_copy) + " bytes and the file system has " +
                                    std::to_string(plan.bytes_free) +
                                    " free; choose a larger one, or the source's own");
}

// The target, or what is there of the way to it.
static Fd nearest_directory(const std::filesystem::path& path) {
  for (std::filesystem::path at = std::filesystem::absolute(path);; at = at.parent_path())
    if (auto fd = try_open_at(AT_FDCWD, at.string(), O_RDONLY | O_DIRECTORY)) return std::move(*fd);
}

MigrationPlan plan_migration(const MigrationSource& source, const MigrationTarget& target,
                             const MigrateOptions& options) {
  const bool there = exists_at(AT_FDCWD, target.root.string());
  const Fd root = there ? open_dir(target.root.string()) : nearest_directory(target.root);
  if (!options.in_place && there) check_target(source, target, root);
  const Selection selection = select(source.graph, options);
  MigrationPlan plan;
  for (const auto& damage : source.graph.damage())
    if (damage.kind != "container-image-missing")
      plan.damage.push_back(damage);  // engines allowed that: see the container
  plan.damage.insert(plan.damage.end(), selection.damage.begin(), selection.damage.end());
  plan_images(target, selection, there ? read_mapping(root.get()) : std::map<std::string, ImageId>(), plan);
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
  }
  if (options.containers && !options.stays_in_root()) plan.state = find_root_state(source.root);
  plan_space(source, target, options, selection, root, plan);
  return plan;
}

}  // namespace cairn
