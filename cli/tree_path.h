// Files of an image, container or layer, by the paths people type.
#pragma once

#include <optional>
#include <string>

#include "cli/objects.h"

namespace cairn {

// UserError if there is no such path. nullopt only for the root of an image without layers.
std::optional<TreeNode> find_in(const Tree& tree, const Subject& subject, const std::string& path, Tree::Last last);

std::string mode_string(mode_t mode);  // "drwxr-xr-x", as ls(1)

}  // namespace cairn
