// The layers that one lies on.
#pragma once

#include <optional>
#include <vector>

#include "core/interfaces/metadata_store.h"

namespace cairn {

// What cannot be read is as if it were not there: engines ignore it, and registering the layer replaces it.
std::optional<LayerRecord> find_loadable(const LayerMetadata& layers, const ChainId& chain);

// `top` and all below it, base first; nullopt where one of them is missing. Errc::corrupt where one does not lie on
// what its chain ID says, so that a circle of them ends.
std::optional<std::vector<LayerRecord>> layer_stack(const LayerMetadata& layers, const std::optional<ChainId>& top);

}  // namespace cairn
