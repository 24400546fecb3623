// How a layer's own entries become its whole tree.
#pragma once

#include <optional>

#include "core/archive/tree.h"

namespace cairn::vfs {

// Adds to `own`, a layer's own directory with overlay's marks, a copy of what `parent` has and the layer neither
// replaces nor hides, and takes the marks away. Files are copied by reflink, else by content with their holes; hard
// links inside what is copied stay hard links; owners, modes, times and all xattrs are kept. Directories of `own` keep
// what they have.
void merge_parent(int own, const std::optional<TreeNode>& parent);

}  // namespace cairn::vfs
