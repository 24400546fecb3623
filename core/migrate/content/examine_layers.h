// What layerdb says of layers beside their place: tar-split data and sizes.
#pragma once

#include <set>

#include "core/migrate/content/selection.h"

namespace cairn {

// Reads the tar-split data of the selected layers but those in `there`, and decides what becomes of each: where record
// or size are damaged, the layer's hash says which is right. Adds to the selection's damage.
void examine_layers(const ContentSource& source, const std::set<ChainId>& there, const MigrateOptions& options,
                    ContentSelection& selection);

}  // namespace cairn
