// What keeps each layer in a store: layers that lie on it, writable layers, and images, which the caller names.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "core/interfaces/metadata_store.h"

namespace cairn {

class LayerUses {
 public:
  // Entries that an engine would not load count, too, as far as they can be read: they may be repaired one day.
  explicit LayerUses(const LayerMetadata& layers);

  void add(const ChainId& chain) { ++uses_[chain]; }
  // Undoes an add(), and gives up what nothing needs any more: `chain`, then its parent, and so on. Those are returned,
  // children first, and no longer known here. None while unknown() names a reason.
  std::vector<LayerRecord> release(const ChainId& chain);

  // Why no layer can be given up: a damaged entry that may lie on any of them. "" if there is none.
  const std::string& unknown() const { return unknown_; }

 private:
  void add_layers(const LayerMetadata& layers);
  void add_mounts(const LayerMetadata& layers);
  void add_remains(const LayerMetadata& layers, const std::string& object);

  std::map<ChainId, LayerRecord> records_;
  std::map<ChainId, size_t> uses_;
  std::map<LayerId, size_t> named_;  // how many entries name a driver's layer
  std::string unknown_;
};

}  // namespace cairn
