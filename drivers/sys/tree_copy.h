// Parts of trees as real files.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <utility>

#include "core/archive/attributes.h"
#include "core/archive/tree.h"

namespace cairn {

struct CopyPlace {  // a directory of the result
  int fd;
  std::string path;  // from the root, with a slash at the end unless it is the root
  bool gives_its_group;
};

// Copies nodes of one tree below one directory. Files are copied by reflink, else by content with their holes; hard
// links inside what one TreeCopy copies stay hard links; owners, modes, times and all xattrs are kept. The directory
// that gets a copy has no default ACL meanwhile, and has new times afterwards.
class TreeCopy {
 public:
  explicit TreeCopy(int root) : root_(root) {}           // the descriptor is the caller's
  void copy(const TreeNode& node, const CopyPlace& to);  // `to` has nothing of that name

 private:
  void copy_dir(const TreeNode& node, const CopyPlace& to);
  void copy_file(const TreeNode& node, const CopyPlace& to, const Attributes& wanted);
  void copy_node(const TreeNode& node, const CopyPlace& to, const Attributes& wanted);

  int root_;
  Creation creation_;
  bool reflinks_ = true;                                   // until the file system refuses one
  std::map<std::pair<dev_t, ino_t>, std::string> linked_;  // inodes of several names -> where the first lies now
};

}  // namespace cairn
