// Which layers lie on which, as a report draws it: layers with nothing between them to show are one.
#pragma once

#include <cstdint>
#include <vector>

#include "core/migrate/migrate.h"

namespace cairn {

struct LayerRun {
  std::vector<const MigratedLayer*> layers;  // lowest first
  std::vector<const MigratedImage*> images;  // made of these and all below; tagged ones, and those nothing lies on
  uint64_t bytes = 0, bytes_below = 0;       // of its own, and of all it lies on
  size_t depth = 0;
  size_t row = 0, rows = 0;  // its own images come first, then those of what lies on it
};

struct LayerForest {
  std::vector<LayerRun> runs;  // in the order of drawing: each before what lies on it, a tree whole before the next
  std::vector<const MigratedImage*> without_layers;
  size_t rows = 0, depth = 0;  // of all; depth is 1 for roots alone
};

LayerForest layer_forest(const MigrationReport& report);

}  // namespace cairn
