#include "drivers/sys/merge_own.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <memory>
#include <string>

#include "core/archive/attributes.h"
#include "core/archive/tree.h"
#include "core/util/error.h"
#include "core/util/interrupt.h"
#include "drivers/sys/implied.h"
#include "drivers/sys/overlay_marks.h"
#include "drivers/sys/tree_copy.h"

namespace cairn {

namespace {

TreeNode node_of(int dir_fd, WhiteoutStyle style) {
  return Tree({Branch{std::make_shared<Fd>(dup_fd(dir_fd)), style}}).root();
}

// Those that the directory is not to keep, and the default ACL, which would change what is put into it.
void drop_xattrs(int dir_fd, const Xattrs& kept) {
  for (const auto& [name, value] : node_of(dir_fd, WhiteoutStyle::none).xattrs())
    if ((!kept.contains(name) || name == kDefaultAcl) && ::fremovexattr(dir_fd, name.c_str()) != 0 &&
        name != "security.selinux")  // the kernel's policy decides
      throw_errno("removing the xattr " + printable(name));
}

class Merge {
 public:
  explicit Merge(const Snapshot& whole) : whole_(whole), copies_(whole.fd) {}
  void merge(const TreeNode& own, int own_fd, int whole, const std::string& path);

 private:
  void put(const TreeNode& own, int own_fd, const std::string& name, const CopyPlace& here);

  const Snapshot& whole_;
  TreeCopy copies_;
};

void Merge::merge(const TreeNode& own, int own_fd, int whole, const std::string& path) {
  check_interrupt();
  drop_xattrs(whole, own.xattrs());
  if (is_opaque(own_fd))
    for (const auto& name : list_dir(whole)) whole_.remove(whole, name);
  struct stat st;
  if (::fstat(whole, &st) != 0) throw_errno("reading the status of '" + printable(path) + "'");
  const CopyPlace here{whole, path, (st.st_mode & S_ISGID) != 0};
  for (const auto& name : list_dir(own_fd)) put(own, own_fd, name, here);
  copy_dir_attributes(own, whole);
}

void Merge::put(const TreeNode& own, int own_fd, const std::string& name, const CopyPlace& here) {
  const auto node = own.child(name);
  const auto there = stat_at(here.fd, name);
  if (node && node->is_dir() && there && whole_.is_dir(*there))
    return while_doing([&] { return "merging '" + printable(here.path + name) + "'"; },
                       [&] {
                         merge(*node, open_dir_at(own_fd, name).get(), open_dir_at(here.fd, name).get(),
                               here.path + name + "/");
                       });
  if (there) whole_.remove(here.fd, name);
  if (node) copies_.copy(*node, here);  // else it is a whiteout
}

}  // namespace

Snapshot plain_snapshot(int fd) {
  return {fd, remove_tree_at, [](const struct stat& st) { return S_ISDIR(st.st_mode); }};
}

void merge_own(int own, const Snapshot& whole) {
  Merge(whole).merge(node_of(own, WhiteoutStyle::overlay), own, whole.fd, "");
}

}  // namespace cairn
