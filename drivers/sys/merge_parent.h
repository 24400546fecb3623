// How a layer's own entries become its whole tree, where that is a plain directory.
#pragma once

#include <optional>

#include "core/archive/tree.h"
#include "drivers/sys/tree_copy.h"

namespace cairn {

// Adds to `own`, a layer's own directory with overlay's marks, what `parent` has and the layer neither replaces nor
// hides, copied or linked as TreeCopy does, and takes the marks away. Directories of `own` keep what they have.
void merge_parent(int own, const std::optional<TreeNode>& parent, Files files);

}  // namespace cairn
