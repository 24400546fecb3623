#include "core/layer/layer_uses.h"

#include <set>

namespace cairn {

LayerUses::LayerUses(const LayerMetadata& layers) {
  add_layers(layers);
  add_mounts(layers);
}

void LayerUses::add_layers(const LayerMetadata& layers) {
  std::vector<Damage> damage;
  for (auto& record : layers.list(&damage)) {
    ++named_[record.cache_id];
    if (record.parent) add(*record.parent);
    if (chain_id(record.parent, record.diff) != record.chain)  // engines do not see that
      unknown_ = "the entry of layer '" + record.chain.str() + "' has lost what it lies on";
    records_.emplace(record.chain, std::move(record));
  }
  std::set<std::string> told;
  for (const auto& one : damage)
    if (told.insert(one.object).second) add_remains(layers, one.object);
}

void LayerUses::add_remains(const LayerMetadata& layers, const std::string& object) {
  const auto chain = ChainId::parse(object);
  const LayerRemains left = chain ? layers.remains(*chain) : LayerRemains();
  const bool is_base = left.diff && left.diff->value == chain->value;
  if (left.parent) add(*left.parent);
  if (left.cache_id) ++named_[*left.cache_id];
  if (!left.cache_id || (!left.parent && !is_base)) unknown_ = "the entry of layer '" + object + "' is damaged";
}

void LayerUses::add_mounts(const LayerMetadata& layers) {
  std::vector<Damage> damage;
  for (const auto& mount : layers.mounts(&damage)) {
    ++named_[mount.mount_id];
    if (mount.init_id) ++named_[*mount.init_id];
    if (mount.parent) add(*mount.parent);
  }
  for (const auto& one : damage) {
    const MountRemains left = layers.mount_remains(one.object);
    for (const auto& id : {left.mount_id, left.init_id})
      if (id) ++named_[*id];
    if (left.parent) add(*left.parent);
    if (!left.parent || !left.mount_id) unknown_ = "the entry of the writable layer '" + one.object + "' is damaged";
  }
}

std::vector<LayerRecord> LayerUses::release(const ChainId& chain) {
  std::vector<LayerRecord> out;
  for (std::optional<ChainId> at = chain; at;) {
    const auto uses = uses_.find(*at);
    if (uses != uses_.end() && uses->second > 0 && --uses->second > 0) break;
    const auto record = records_.find(*at);
    if (!unknown_.empty() || record == records_.end() || named_[record->second.cache_id] != 1) break;
    at = record->second.parent;
    named_.erase(record->second.cache_id);
    out.push_back(std::move(record->second));
    records_.erase(record);
  }
  return out;
}

}  // namespace cairn
