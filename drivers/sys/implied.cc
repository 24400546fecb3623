#include "drivers/sys/implied.h"

#include <sys/xattr.h>
#include <unistd.h>

#include <optional>

#include "core/util/error.h"
#include "drivers/sys/overlay_marks.h"

namespace cairn {

void copy_metadata(const TreeNode& node, int fd) {
  const struct stat& st = node.st();
  const auto doing = [&] { return "copying the metadata of '" + printable(path_of(fd)) + "'"; };
  if (::fchown(fd, st.st_uid, st.st_gid) != 0) throw_errno(doing());
  for (const auto& [name, value] : node.xattrs())     // after the owner: chown drops security.capability
    if (::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0) != 0) throw_errno(doing() + ", " + printable(name));
  if (::fchmod(fd, st.st_mode & 07777) != 0) throw_errno(doing());
  const timespec times[2] = {st.st_atim, st.st_mtim};
  if (::futimens(fd, times) != 0) throw_errno(doing());
}

static std::vector<std::string> components(const std::string& path) {
  std::vector<std::string> out;
  for (size_t i = 0; i < path.size();) {
    const size_t end = std::min(path.find('/', i), path.size());
    if (end > i && path.substr(i, end - i) != ".") out.push_back(path.substr(i, end - i));
    i = end + 1;
  }
  return out;
}

static void complete_one(int own_root, const TreeNode& parent_root, const std::string& path) {
  Fd own = dup_fd(own_root);
  TreeNode above = parent_root;
  for (const auto& name : components(path)) {
    const auto next = above.child(name);
    if (!next || !next->is_dir()) return;
    own = open_dir_at(own.get(), name);
    if (is_opaque(own.get())) return;
    above = *next;
  }
  copy_metadata(above, own.get());
}

void complete_implied(int own_root, const Tree& parent, const std::vector<std::string>& implied) {
  if (implied.empty() || parent.empty()) return;
  const TreeNode root = parent.root();
  const bool alone = is_opaque(own_root);               // then only the root itself is the parent's, too
  for (const auto& path : implied)
    if (!alone || path == ".")
      while_doing([&] { return "completing the directory '" + printable(path) + "'"; },
                  [&] { complete_one(own_root, root, path); });
}

}  // namespace cairn
