#include "core/layer/layer_stack.h"

#include <algorithm>

#include "core/util/error.h"

namespace cairn {

std::optional<LayerRecord> find_loadable(const LayerMetadata& layers, const ChainId& chain) {
  try {
    return layers.find(chain);
  } catch (const Error& e) {
    if (e.code() == Errc::corrupt) return std::nullopt;
    throw;
  }
}

std::optional<std::vector<LayerRecord>> layer_stack(const LayerMetadata& layers, const std::optional<ChainId>& top) {
  std::vector<LayerRecord> out;
  for (auto chain = top; chain;) {
    auto record = find_loadable(layers, *chain);
    if (!record) return std::nullopt;
    if (chain_id(record->parent, record->diff) != *chain)
      throw Error(Errc::corrupt, "following layer " + top->str() + " down: 'diff' and 'parent' of " + chain->str() +
                                     " belong to another chain; `cairn scan` tells more");
    chain = record->parent;
    out.push_back(std::move(*record));
  }
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace cairn
