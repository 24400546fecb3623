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

// Linked: whatever is no directory becomes another name of the inode the tree shows (a copy where that has too many
// names already), so the tree must lie on the same file system and nobody may write to it ever again.
enum class Files { copied, linked };

// Copies nodes of one tree below one directory. Files are copied by reflink, else by content with their holes; hard
// links inside what one TreeCopy copies stay hard links; owners, modes, times and all xattrs are kept. The directory
// that gets a copy has no default ACL meanwhile, and has new times afterwards.
class TreeCopy {
 public:
  // The descriptor is the caller's.
  explicit TreeCopy(int root, Files files = Files::copied) : root_(root), files_(files) {}
  void copy(const TreeNode& node, const CopyPlace& to);  // `to` has nothing of that name

 private:
  void copy_dir(const TreeNode& node, const CopyPlace& to);
  void copy_file(const TreeNode& node, const CopyPlace& to, const Attributes& wanted);
  void copy_node(const TreeNode& node, const CopyPlace& to, const Attributes& wanted);

  int root_;
  Files files_;
  Creation creation_;
  bool reflinks_ = true;                                   // until the file system refuses one
  std::map<std::pair<dev_t, ino_t>, std::string> linked_;  // inodes of several names -> where the first lies now
};

}  // namespace cairn
