// The tar of a layer that is in the store, to be read.
#pragma once

#include <memory>

#include "core/archive/stream.h"
#include "core/layer/layer_store.h"

namespace cairn {

// LayerStore::write_tar in a thread of its own, a few buffers ahead of the reader. Destroying it early is fine.
std::unique_ptr<ByteSource> read_layer(LayerStore& layers, const ChainId& chain);

}  // namespace cairn
