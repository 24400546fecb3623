#include "core/image/create_container.h"

#include "core/util/error.h"

namespace cairn {

static std::optional<LayerId> layer_below(const ContainerBase& base, MetadataStore& metadata) {
  if (base.image) metadata.images().config(*base.image);  // it is there
  if (!base.chain) return std::nullopt;
  const auto record = metadata.layers().find(*base.chain);
  if (!record) throw Error(Errc::not_found, "the store has no layer " + base.chain->str());
  return record->cache_id;
}

NewContainer create_container(const std::string& name, const ContainerBase& base, Driver& driver, LayerStore& layers,
                              MetadataStore& metadata) {
  const LayerId mount_id = LayerId::random();
  const std::string own_name = name.empty() ? mount_id.str() : name;
  return while_doing([&] { return "creating '" + printable(own_name) + "'"; },
                     [&] {
                       const FileLock lock = layers.exclusive();
                       const auto below = layer_below(base, metadata);
                       if (metadata.layers().find_mount(own_name))
                         throw Error(Errc::already_exists, "the name is taken; `cairn rm` frees it");
                       const auto trace = metadata.layers().begin({mount_id});
                       driver.create(mount_id, below);
                       try {
                         layers.sync();
                         metadata.layers().add_mount({own_name, mount_id, std::nullopt, base.chain, base.image});
                         sync_file_system(metadata.layers().sync_fd());
                       } catch (...) {
                         driver.remove(mount_id);
                         throw;
                       }
                       return NewContainer{own_name, mount_id};
                     });
}

}  // namespace cairn
