// "A [B]" of diff and changes: B is what A lies on unless it is named.
#pragma once

#include <string>

#include "cli/objects.h"

namespace cairn {

struct TwoTrees {
  Subject subject;
  Tree tree, base;
  bool base_is_own;  // B was not named
};

// `base` "" means: the parent layer of an image's top layer or of a layer; a container's init layer, else its image.
TwoTrees two_trees(const Objects& objects, const std::string& name, const std::string& base);

}  // namespace cairn
