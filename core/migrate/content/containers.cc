#include "core/migrate/content/containers.h"

#include <fcntl.h>

#include "core/json/go_json.h"
#include "core/layer/store_lock.h"
#include "core/migrate/copy_directory.h"
#include "core/migrate/host_config.h"
#include "core/migrate/place_container.h"
#include "core/migrate/recheck.h"
#include "core/migrate/volume_sources.h"
#include "core/util/error.h"
#include "core/util/replace_file.h"

namespace cairn {

std::string with_driver(const std::string& config, const std::string& driver) {
  const auto members = go_json::members(config);
  const auto* field = go_json::find_field(members, "Driver");
  if (field == nullptr) {
    auto fields = go_json::object(config);
    fields["Driver"] = go_json::quote(driver);
    return go_json::encode(fields);
  }
  const auto at = static_cast<size_t>(field->raw.data() - config.data());
  return config.substr(0, at) + go_json::quote(driver) + config.substr(at + field->raw.size());
}

// containers/ID: logs, checkpoints, hosts and the like as they are.
static uint64_t copy_files(const ContentContainer& container, const ContentSource& source,
                           const MigrationTarget& target, const MigrateOptions& options, Progress& progress) {
  const std::string& id = container.id;
  std::string config = with_driver(source.metadata.containers().config(id), std::string(target.driver.name()));
  const Fd from = open_dir_at(open_dir((source.root / "containers").string()).get(), id);
  const Fd target_root = open_dir(target.root.string());
  if (!options.beside) config = with_volumes_in(config, path_of(target_root.get()));
  const Fd to = open_dir_at(target_root.get(), "containers");
  const auto lock = FileLock::wait(to.get(), FileLock::Kind::exclusive);  // else another writer sweeps the half copy
  remove_tree_at(to.get(), id);
  return copy_directory(
      dup_fd(from.get()), to.get(), id, "",
      [&](int dir) {
        const auto st = stat_at(dir, "config.v2.json");
        replace_file_at(dir, "config.v2.json", config, st ? st->st_mode & 07777 : 0600);
        if (container.host_config_lost)
          replace_file_at(dir, "hostconfig.json", complete_host_config(std::nullopt, {}), 0600);
      },
      &progress);
}

bool migrate_container(const ContentContainer& container, const ContentSource& source, const SourceTrees& trees,
                       const MigrationTarget& target, const MigrateOptions& options, LayerPlacer& placer,
                       LayerStore& layers, bool resumed, uint64_t& bytes, Progress& progress) {
  auto& metadata = target.metadata;
  if (!resumed && metadata.layers().find_mount(container.id)) return false;
  const MountRecord& mount = *container.mount;
  std::optional<LayerId> below;
  if (mount.parent) {
    const auto record = metadata.layers().find(*mount.parent);
    if (!record) throw Error(Errc::not_found, "its image's layer could not be migrated");
    below = record->cache_id;
  }
  if (resumed && has_container(trees, source.root, target, mount)) return false;
  const auto trace = copy_layers({mount, container.image_layer, below}, target, placer);
  bytes += copy_files(container, source, target, options, progress);
  layers.sync();
  publish_container(mount, target);
  return true;
}

}  // namespace cairn
