// Opens files of a tree by the paths of a tar, which come in the order of a walk: the directories of the previous path
// are kept, so that a file costs one look-up and not one per component.
#pragma once

#include <string>
#include <vector>

#include "core/archive/tar_split.h"
#include "core/archive/tree.h"

namespace cairn {

class TreeContent {
 public:
  explicit TreeContent(Tree tree);
  // Throws not_found, or corrupt if `path` (cleaned) is no regular file there. Symbolic links stay inside the tree.
  std::unique_ptr<ByteSource> open(const std::string& path);
  TreeNode find(const std::string& path);

 private:
  Tree tree_;
  std::vector<std::pair<std::string, TreeNode>> open_dirs_;  // component, directory; the root first
};

}  // namespace cairn
