// A merged directory tree, computed in user space from plain directories: what overlayfs or aufs would show, without a
// mount and without writing. One plain directory is a tree of one branch.
#pragma once

#include <sys/stat.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/archive/stream.h"
#include "core/util/fd.h"

namespace cairn {

// How a branch says "this name is gone" and "this directory hides what is below":
//   overlay: char device 0/0; trusted.overlay.opaque=y; also trusted.overlay.redirect and .metacopy are followed. On a
//            branch whose root belongs to another user than root (a rootless store), user.overlay.* counts as well.
//            The root itself is never opaque: the kernel always merges it.
//   aufs:    .wh.NAME; .wh..wh..opq; .wh..wh.* at the branch root is not content
enum class WhiteoutStyle { none, overlay, aufs };

struct Branch {
  std::shared_ptr<const Fd> root;
  WhiteoutStyle style = WhiteoutStyle::none;
};

using Xattrs = std::map<std::string, std::string>;

// One name in the merged tree. Cheap to copy; keeps the directories it needs open.
class TreeNode {
 public:
  const std::string& name() const;  // "" for the root
  const struct stat& st() const;    // of the uppermost branch; st_size is logical (metacopy resolved)
  bool is_dir() const { return S_ISDIR(st().st_mode); }

  std::vector<TreeNode> children() const;  // sorted bytewise; empty unless a directory
  std::optional<TreeNode> child(const std::string& name) const;
  Fd open_file() const;  // regular files: O_RDONLY | O_NOFOLLOW of the data's inode
  std::string link_target() const;
  Xattrs xattrs() const;  // without the whiteout style's own (trusted.overlay.*)

  // Both show the very same inode, and for directories the same branches below: nothing in them can differ.
  bool same_source(const TreeNode& other) const;
  // Where the shown inode lies: for link(2) and for whoever reads by (directory, name). Not for the root.
  int source_dir() const;
  const std::string& source_name() const;
  // The shown inode holds its content itself (false only for overlay metacopy, whose content lies in a lower branch).
  bool whole() const;

  struct Data;
  explicit TreeNode(std::shared_ptr<const Data> data) : data_(std::move(data)) {}

 private:
  std::shared_ptr<const Data> data_;
};

class Tree {
 public:
  Tree() = default;  // an empty tree (a root directory without entries)
  // Uppermost branch first. `keep_alive` is held as long as the tree and its nodes (a mount, say).
  explicit Tree(std::vector<Branch> branches, std::shared_ptr<void> keep_alive = {});
  TreeNode root() const;  // throws Errc::not_found for a Tree of no branches
  bool empty() const { return state_ == nullptr; }

  // `path` inside the tree; ".." and absolute links stay inside it (RESOLVE_IN_ROOT); more than 40 links:
  // Errc::invalid. The directories of the last path found stay open, so that a run of paths in byte order is cheap.
  // Thread-safe.
  enum class Last { follow, keep };  // what to do when the last component is a symbolic link
  std::optional<TreeNode> find(const std::string& path, Last last = Last::keep) const;

 private:
  struct State;
  std::shared_ptr<State> state_;
};

// Regular file of `node` as a stream.
std::unique_ptr<ByteSource> content_of(const TreeNode& node);

}  // namespace cairn
