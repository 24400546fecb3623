#include "core/migrate/place_container.h"

#include "core/layer/store_lock.h"
#include "core/util/error.h"

namespace cairn {

std::unique_ptr<LayerTransaction> copy_layers(const ContainerLayers& container, const MigrationTarget& target,
                                              LayerPlacer& placer) {
  const MountRecord& mount = container.mount;
  const auto& init = mount.init_id;
  auto trace = target.metadata.layers().begin(init ? std::vector{*init, mount.mount_id} : std::vector{mount.mount_id});
  if (init) placer.copy_writable(*init, container.source_below, container.target_below);
  placer.copy_writable(mount.mount_id, init ? init : container.source_below, init ? init : container.target_below);
  return trace;
}

static void forget_mount(LayerMetadata& layers, const std::string& name) {
  try {
    layers.remove_mount(name);
  } catch (const Error& e) {
    if (e.code() != Errc::not_found) throw;
  }
}

void publish_container(const MountRecord& mount, const MigrationTarget& target) {
  auto& layers = target.metadata.layers();
  const FileLock lock = FileLock::wait(target.metadata.lock_fd(), FileLock::Kind::exclusive);
  if (target.guard) target.guard();
  forget_mount(layers, mount.name);
  layers.add_mount(mount);
  sync_file_system(layers.sync_fd());
}

}  // namespace cairn
