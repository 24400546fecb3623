// Registers the layers of one image as their bytes arrive, all at once, beside other processes that do the same: a
// layer that several want is fetched and applied by one of them, and each is published as soon as all below it are.
// What is complete when something fails, or this process dies, is kept for the next try where the driver can (see
// LayerTransaction::keep), unless the disk is full.
#pragma once

#include <vector>

#include "core/layer/layer_store.h"

namespace cairn {

struct ArrivedLayer {
  LayerRecord record;
  bool blob_checked;  // the source's blob was seen to inflate to it: not where the store had the layer already
};

// Base first; each source has its DiffID. `at_once`: how many are under way at most. Throws what goes wrong first; what
// has been published by then stays.
std::vector<ArrivedLayer> register_concurrently(LayerStore& store, Driver& driver, LayerMetadata& metadata,
                                                std::vector<LayerSource> sources, unsigned at_once, Progress& progress);

}  // namespace cairn
