// A layer tree in text: for terminals, and as a graph that Graphviz draws.
#pragma once

#include <string>

#include "cli/layer_tree.h"

namespace cairn {

struct TextLook {
  bool all = false;    // every layer, also where nothing lies between several of them
  unsigned width = 0;  // columns; 0: as many as it takes
  bool colour = false;
};
std::string tree_text(const LayerTree& tree, const TextLook& look);

std::string tree_dot(const LayerTree& tree, bool all);

}  // namespace cairn
