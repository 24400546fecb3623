#include "drivers/sys/merge_parent.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "core/archive/attributes.h"
#include "core/util/error.h"
#include "core/util/interrupt.h"
#include "drivers/sys/overlay_marks.h"

namespace cairn {

namespace {

// What adding entries to a directory would change, or what would change the entries: set aside, and put back by
// restore().
class DirState {
 public:
  DirState(int fd, const std::string& name) : inode_{-1, name, fd} {
    if (::fstat(fd, &st_) != 0) throw_errno("reading the status of '" + printable(name) + "'");
    const ssize_t n = ::fgetxattr(fd, kDefaultAcl, nullptr, 0);
    if (n <= 0) return;
    acl_.resize(static_cast<size_t>(n));
    if (::fgetxattr(fd, kDefaultAcl, acl_.data(), acl_.size()) != n || ::fremovexattr(fd, kDefaultAcl) != 0)
      throw_errno("setting aside the default ACL of '" + printable(name) + "'");
  }
  void restore() const {
    if (!acl_.empty()) set_xattr(inode_, kDefaultAcl, acl_);
    set_times(inode_, st_.st_atim, st_.st_mtim);
  }
  bool gives_its_group() const { return (st_.st_mode & S_ISGID) != 0; }

 private:
  InodeRef inode_;
  struct stat st_;
  std::string acl_;
};

class Merge {
 public:
  Merge(int root, Files files) : copies_(root, files) {}
  void merge(int own, const std::string& name, const std::string& path, std::optional<TreeNode> parent);

 private:
  TreeCopy copies_;
};

void Merge::merge(int own, const std::string& name, const std::string& path, std::optional<TreeNode> parent) {
  check_interrupt();
  const DirState state(own, name);
  if (is_opaque(own)) {
    clear_opaque(own);
    parent.reset();
  }
  const auto names = list_dir(own);
  for (const auto& entry : names) {
    const auto st = stat_at(own, entry);
    if (st && is_whiteout_device(*st) && ::unlinkat(own, entry.c_str(), 0) != 0)
      throw_errno("removing the whiteout of '" + printable(entry) + "'");
    if (!st || !S_ISDIR(st->st_mode)) continue;
    auto below = parent ? parent->child(entry) : std::nullopt;
    if (below && !below->is_dir()) below.reset();
    merge(open_dir_at(own, entry).get(), entry, path + entry + "/", std::move(below));
  }
  const CopyPlace here{own, path, state.gives_its_group()};
  if (parent)
    for (const auto& node : parent->children())
      if (!std::binary_search(names.begin(), names.end(), node.name())) copies_.copy(node, here);
  state.restore();
}

}  // namespace

void merge_parent(int own, const std::optional<TreeNode>& parent, Files files) {
  Merge(own, files).merge(own, ".", "", parent);
}

}  // namespace cairn
