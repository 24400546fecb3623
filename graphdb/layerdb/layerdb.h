// image/DRV/layerdb: which layers and writable layers exist.
#pragma once

#include "core/interfaces/metadata_store.h"
#include "graphdb/place.h"

namespace cairn {

class LayerDb : public LayerMetadata {
 public:
  explicit LayerDb(Place& place) : place_(place) {}

  std::vector<LayerRecord> list(std::vector<Damage>* damage) const override;
  std::optional<LayerRecord> find(const ChainId& chain) const override;
  LayerRemains remains(const ChainId& chain) const override;
  std::unique_ptr<ByteSource> open_tar_split(const ChainId& chain) const override;
  std::unique_ptr<ByteSource> open_raw_tar_split(const ChainId& chain) const override;
  std::unique_ptr<LayerTransaction> begin(const std::vector<LayerId>& driver_ids) override;
  std::optional<Claim> claim(const ChainId& chain) override;
  void remove(const ChainId& chain) override;

  std::vector<MountRecord> mounts(std::vector<Damage>* damage) const override;
  std::optional<MountRecord> find_mount(const std::string& name) const override;
  MountRemains mount_remains(const std::string& name) const override;
  void add_mount(const MountRecord& record) override;
  void remove_mount(const std::string& name) override;

  std::vector<Abandoned> abandoned() const override;
  void forget(const Abandoned& trace) override;
  int sync_fd() const override { return place_.layerdb_fd(); }

 private:
  Place& place_;
};

}  // namespace cairn
