#include "drivers/vfs/merge.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <string>
#include <vector>

#include "core/archive/attributes.h"
#include "core/archive/copy_file.h"
#include "core/util/error.h"
#include "core/util/interrupt.h"
#include "drivers/sys/implied.h"
#include "drivers/sys/overlay_marks.h"

namespace cairn::vfs {

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

struct Place {  // a directory of the result
  int fd;
  std::string path;  // from the root, with a slash at the end unless it is the root
  bool gives_its_group;
};

class Merge {
 public:
  explicit Merge(int root) : root_(root) {}
  void merge(int own, const std::string& name, const std::string& path, std::optional<TreeNode> parent);

 private:
  void copy(const TreeNode& node, const Place& to);
  void copy_dir(const TreeNode& node, const Place& to);
  void copy_file(const TreeNode& node, const Place& to, const Attributes& wanted);
  void copy_node(const TreeNode& node, const Place& to, const Attributes& wanted);

  int root_;
  Creation creation_;
  bool reflinks_ = true;                                   // until the file system refuses one
  std::map<std::pair<dev_t, ino_t>, std::string> linked_;  // inodes of several names -> where the first lies now
};

Attributes attributes_of(const struct stat& st, const Xattrs& xattrs) {
  return {st.st_uid, st.st_gid, st.st_mode & 07777, st.st_atim, st.st_mtim, &xattrs};
}

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
  const Place here{own, path, state.gives_its_group()};
  if (parent)
    for (const auto& node : parent->children())
      if (!std::binary_search(names.begin(), names.end(), node.name())) copy(node, here);
  state.restore();
}

void Merge::copy(const TreeNode& node, const Place& to) {
  while_doing([&] { return "copying '" + printable(to.path + node.name()) + "'"; },
              [&] {
                if (node.is_dir()) return copy_dir(node, to);
                const struct stat& st = node.st();
                std::string* first = st.st_nlink > 1 ? &linked_[{st.st_dev, st.st_ino}] : nullptr;
                if (first && !first->empty()) {
                  if (::linkat(root_, first->c_str(), to.fd, node.name().c_str(), 0) != 0) throw_errno("linking it");
                  return;
                }
                const Xattrs xattrs = node.xattrs();
                S_ISREG(st.st_mode) ? copy_file(node, to, attributes_of(st, xattrs))
                                    : copy_node(node, to, attributes_of(st, xattrs));
                if (first) *first = to.path + node.name();
              });
}

void Merge::copy_dir(const TreeNode& node, const Place& to) {
  check_interrupt();
  if (::mkdirat(to.fd, node.name().c_str(), 0700) != 0) throw_errno("making the directory");
  const Fd fd = open_dir_at(to.fd, node.name());
  const Place here{fd.get(), to.path + node.name() + "/", to.gives_its_group};  // inherited until the owner is set
  for (const auto& child : node.children()) copy(child, here);
  copy_dir_attributes(node, fd.get());
}

void Merge::copy_file(const TreeNode& node, const Place& to, const Attributes& wanted) {
  const Fd from = node.open_file();
  const mode_t plain = wanted.mode & 0777;
  const Fd fd = open_at(to.fd, node.name(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, plain);
  const off_t size = node.st().st_size;
  if (size > 0 && reflinks_) reflinks_ = reflink(from.get(), fd.get());
  if (size > 0 && !reflinks_) copy_content(from.get(), fd.get(), size);
  set_attributes({to.fd, node.name(), fd.get()}, S_IFREG, wanted, creation_.of(plain, false, to.gives_its_group));
}

void Merge::copy_node(const TreeNode& node, const Place& to, const Attributes& wanted) {
  const struct stat& st = node.st();
  const int failed = S_ISLNK(st.st_mode)
                         ? ::symlinkat(node.link_target().c_str(), to.fd, node.name().c_str())
                         : ::mknodat(to.fd, node.name().c_str(), st.st_mode & (S_IFMT | 0777), st.st_rdev);
  if (failed != 0) throw_errno("making it");
  set_attributes({to.fd, node.name()}, st.st_mode & S_IFMT, wanted,
                 creation_.of(wanted.mode & 0777, false, to.gives_its_group));
}

}  // namespace

void merge_parent(int own, const std::optional<TreeNode>& parent) { Merge(own).merge(own, ".", "", parent); }

}  // namespace cairn::vfs
