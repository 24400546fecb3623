// The layers of a store, or of some of its images: what `tree` draws.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "cli/objects.h"
#include "cli/report/layer_forest.h"

namespace cairn {

struct LayerTree {
  struct Sum {
    uint64_t layers = 0, bytes = 0;
  };
  std::string root, driver;
  LayerForest forest;         // ForestLayer::images counts those of the whole store
  uint64_t images = 0;        // drawn
  Sum shared, unique, loose;  // layers of several images of the store, of one, of none
};

// `references` empty: all layers there are, in either layout. Otherwise those of the images that are meant; a
// repository without a tag means all its tags. UserError if there is no such image.
LayerTree layer_tree(const Store& store, const Objects& objects, const std::vector<std::string>& references);

std::string summary(const LayerTree& tree);  // "3 images, 9 layers, 951MB: 170MB shared, 781MB in one image only"

}  // namespace cairn
