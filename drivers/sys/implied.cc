#include "drivers/sys/implied.h"

#include "core/archive/attributes.h"
#include "core/util/error.h"
#include "drivers/sys/overlay_marks.h"

namespace cairn {

static std::vector<std::string> components(const std::string& path) {
  std::vector<std::string> out;
  for (size_t i = 0; i < path.size();) {
    const size_t end = std::min(path.find('/', i), path.size());
    if (end > i && path.substr(i, end - i) != ".") out.push_back(path.substr(i, end - i));
    i = end + 1;
  }
  return out;
}

void copy_dir_attributes(const TreeNode& node, int fd) {
  const struct stat& st = node.st();
  const Xattrs xattrs = node.xattrs();
  const InodeRef inode{-1, node.name(), fd};
  set_attributes(inode, S_IFDIR, {st.st_uid, st.st_gid, st.st_mode & 07777, st.st_atim, st.st_mtim, &xattrs},
                 Creation::unknown());
  const auto acl = xattrs.find(kDefaultAcl);
  if (acl != xattrs.end()) set_xattr(inode, kDefaultAcl, acl->second);
  set_times(inode, st.st_atim, st.st_mtim);
}

static bool hides_parents(int dir_fd, WhiteoutStyle style) {
  return style == WhiteoutStyle::aufs ? exists_at(dir_fd, ".wh..wh..opq") : is_opaque(dir_fd);
}

static void complete_one(int own_root, const TreeNode& parent_root, const std::string& path, WhiteoutStyle style) {
  Fd own = dup_fd(own_root);
  TreeNode above = parent_root;
  for (const auto& name : components(path)) {
    const auto next = above.child(name);
    if (!next || !next->is_dir()) return;
    own = open_dir_at(own.get(), name);
    if (hides_parents(own.get(), style)) return;
    above = *next;
  }
  copy_dir_attributes(above, own.get());
}

void complete_implied(int own_root, const Tree& parent, const std::vector<std::string>& implied, WhiteoutStyle style) {
  if (implied.empty() || parent.empty()) return;
  const TreeNode root = parent.root();
  const bool alone = hides_parents(own_root, style);  // then only the root itself is the parent's, too
  for (const auto& path : implied)
    if (!alone || path == ".")
      while_doing([&] { return "completing the directory '" + printable(path) + "'"; },
                  [&] { complete_one(own_root, root, path, style); });
}

}  // namespace cairn
