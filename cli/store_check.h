// Is a store whole by itself.
#pragma once

#include <vector>

#include "cli/store.h"
#include "core/interfaces/progress.h"
#include "core/layer/layer_store.h"

namespace cairn {

// Every layer is read back and must give its DiffID; each that does not is damage.
std::vector<Damage> layers_that_cannot_be_read(const Store& store, LayerStore& layers, unsigned jobs,
                                               Progress& progress);

}  // namespace cairn
