// Which layers lie on which, as they are drawn: layers with nothing between them to show are one.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace cairn {

struct ForestLayer {
  std::string id, parent;  // parent "" or unknown: it lies on nothing
  int64_t size = 0;        // bytes; negative: nobody knows
  std::string note{};      // what became of it, for people
  bool failed = false;
  size_t images = 0;  // that are made of it, if that is more than the forest shows; layers that differ are not one
};
struct ForestImage {
  std::string id;
  std::vector<std::string> tags;
  std::string layer;   // its uppermost; "" for an image without layers
  std::string note{};  // what became of it, for people
  bool failed = false;
};
struct ForestContent {
  std::vector<ForestLayer> layers;
  std::vector<ForestImage> images;
};

struct LayerRun {
  std::vector<const ForestLayer*> layers;  // lowest first
  std::vector<const ForestImage*> images;  // made of these and all below; tagged ones, and those nothing lies on
  uint64_t bytes = 0, bytes_below = 0;     // of its own, and of all it lies on
  size_t depth = 0;
  size_t row = 0, rows = 0;  // its own images come first, then those of what lies on it
};

struct LayerForest {
  std::shared_ptr<const ForestContent> content;
  std::vector<LayerRun> runs;  // in the order of drawing: each before what lies on it, a tree whole before the next
  std::vector<const ForestImage*> without_layers;
  size_t rows = 0, depth = 0;  // of all; depth is 1 for roots alone
};

// Circles and layers that occur twice are cut, not followed.
LayerForest layer_forest(ForestContent content);

}  // namespace cairn
