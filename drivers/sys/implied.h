// Directories that a layer needs but does not describe.
#pragma once

#include <string>
#include <vector>

#include "core/archive/tree.h"

namespace cairn {

// Owner, mode, xattrs and times of the directory `node`, for the finished directory open as `fd`.
void copy_dir_attributes(const TreeNode& node, int fd);

// Each directory of `own_root` named in `implied` (cleaned paths, "." is the root itself) takes over what
// copy_dir_attributes copies, where `parent` has a directory of that name that this layer's own directories above let
// through. `own_root` is a layer's own directory with marks of `style`.
void complete_implied(int own_root, const Tree& parent, const std::vector<std::string>& implied,
                      WhiteoutStyle style = WhiteoutStyle::overlay);

}  // namespace cairn
