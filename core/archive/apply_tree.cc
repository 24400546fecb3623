#include <sys/stat.h>
#include <unistd.h>

#include <map>

#include "core/archive/apply.h"
#include "core/archive/attributes.h"
#include "core/archive/branch.h"
#include "core/archive/changes.h"
#include "core/archive/copy_file.h"
#include "core/archive/layer_dirs.h"
#include "core/util/error.h"
#include "core/util/interrupt.h"

namespace cairn {
namespace {

class TreeCopier {
 public:
  TreeCopier(const Tree& tree, DiffTarget& target, Links links, Progress* progress)
      : tree_(tree),
        target_(target),
        progress_(progress),
        hardlink_(links == Links::hard),
        dirs_(target.root_fd(), [](const std::string&) {}) {}
  Copied run(const std::vector<Change>& changes, Root root);

 private:
  using Inode = std::pair<dev_t, ino_t>;
  std::shared_ptr<const LayerDir> folder(const std::string& path);
  void put(const TreeNode& node, const std::string& path);
  void put_directory(const TreeNode& node, const LayerDir& dir, const std::string& path);
  void put_file(const TreeNode& node, const LayerDir& dir);
  void put_node(const TreeNode& node, const LayerDir& dir);
  bool link_to_first(const TreeNode& node, const LayerDir& dir, const std::string& first);
  bool link_to_source(const TreeNode& node, const LayerDir& dir);
  void set_root();

  struct DirTimes {
    std::string path;
    timespec atime, mtime;
    std::string default_acl;
  };
  const Tree& tree_;
  DiffTarget& target_;
  Progress* const progress_;  // none: nobody watches
  bool hardlink_, reflink_ = true;
  Creation creation_;
  LayerDirs dirs_;
  std::map<Inode, std::string> first_names_;  // of inodes with several names
  std::vector<DirTimes> dir_times_;
  Copied copied_;
};

Attributes attributes_of(const struct stat& st, const Xattrs& xattrs) {
  return {st.st_uid, st.st_gid, st.st_mode & 07777, st.st_atim, st.st_mtim, &xattrs};
}

std::string default_acl_of(const Xattrs& xattrs) {
  const auto found = xattrs.find(kDefaultAcl);
  return found == xattrs.end() ? "" : found->second;
}

std::shared_ptr<const LayerDir> TreeCopier::folder(const std::string& path) {
  auto dir = dirs_.open_existing(folder_of(path));
  // Where a link leads elsewhere, the change would land on another path than it says.
  if (!dir || dir->path != folder_of(path)) throw Error(Errc::invalid, "its directory is not in the layer");
  return dir;
}

Copied TreeCopier::run(const std::vector<Change>& changes, Root root) {
  raise_descriptor_limit();
  for (const auto& change : changes) {
    check_interrupt();
    while_doing([&] { return "copying '" + printable(change.path) + "'"; },
                [&] {
                  const auto parts = path_components(change.path);
                  std::string path;
                  for (const auto& part : parts) path += (path.empty() ? "" : "/") + part;
                  if (path.empty()) return;
                  if (change.kind == ChangeKind::deleted) {
                    target_.hide(folder(path)->fd.get(), parts.back());
                    return;
                  }
                  const auto node = tree_.find(path);
                  if (!node) throw Error(Errc::not_found, "it is not in the tree");
                  put(*node, path);
                  if (progress_ && !node->is_dir()) progress_->files(1);
                });
  }
  for (const auto& times : dir_times_) {
    const std::string name = base_of(times.path);
    const auto dir = folder(times.path);
    const InodeRef inode{dir->fd.get(), name, -1};
    if (!times.default_acl.empty()) set_xattr(inode, kDefaultAcl, times.default_acl);
    set_times(inode, times.atime, times.mtime);
  }
  if (root == Root::take && !tree_.empty()) set_root();
  return copied_;
}

void TreeCopier::set_root() {
  const TreeNode root = tree_.root();
  const Xattrs xattrs = root.xattrs();
  const std::string name = ".";
  const InodeRef inode{target_.root_fd(), name, target_.root_fd()};
  set_attributes(inode, S_IFDIR, attributes_of(root.st(), xattrs), Creation::unknown());
  if (const auto acl = default_acl_of(xattrs); !acl.empty()) set_xattr(inode, kDefaultAcl, acl);
  set_times(inode, root.st().st_atim, root.st().st_mtim);
}

void TreeCopier::put(const TreeNode& node, const std::string& path) {
  const auto dir = folder(path);
  if (node.is_dir()) return put_directory(node, *dir, path);
  const bool shared = node.st().st_nlink > 1;
  if (shared) {
    const auto [first, is_new] = first_names_.emplace(Inode{node.st().st_dev, node.st().st_ino}, path);
    if (!is_new && link_to_first(node, *dir, first->second)) return;
  }
  if (hardlink_ && link_to_source(node, *dir)) return;
  S_ISREG(node.st().st_mode) ? put_file(node, *dir) : put_node(node, *dir);
}

void TreeCopier::put_directory(const TreeNode& node, const LayerDir& dir, const std::string& path) {
  const mode_t mode = node.st().st_mode & 07777;
  auto given = creation_.of(mode, true, dir.set_gid);
  if (::mkdirat(dir.fd.get(), node.name().c_str(), mode & 01777) != 0) {
    const int err = errno;
    const auto there = stat_at(dir.fd.get(), node.name());
    if (err != EEXIST || !there || !S_ISDIR(there->st_mode)) throw_errno("making the directory", err);
    given = Creation::unknown();
    dirs_.forget();
  }
  const Xattrs xattrs = node.xattrs();
  set_attributes({dir.fd.get(), node.name()}, S_IFDIR, attributes_of(node.st(), xattrs), given);
  dir_times_.push_back({path, node.st().st_atim, node.st().st_mtim, default_acl_of(xattrs)});
}

// False if the inode has as many names as it can have: then a further copy is all that is left.
bool TreeCopier::link_to_first(const TreeNode& node, const LayerDir& dir, const std::string& first) {
  const auto from = folder(first);
  if (::linkat(from->fd.get(), base_of(first).c_str(), dir.fd.get(), node.name().c_str(), 0) == 0) return true;
  if (errno == EMLINK) return false;
  throw_errno("linking it to '" + printable(first) + "'");
}

// The new name of the source's very inode, if that says nothing but what the tree shows.
bool TreeCopier::link_to_source(const TreeNode& node, const LayerDir& dir) {
  if (!node.whole() || (reflink_ && S_ISREG(node.st().st_mode))) return false;
  const OverlayMarks marks = marks_of_file(node.source_dir(), node.source_name(), true);
  if (marks.metacopy || marks.whiteout || !marks.redirect.empty()) return false;
  if (::linkat(node.source_dir(), node.source_name().c_str(), dir.fd.get(), node.name().c_str(), 0) == 0) {
    ++copied_.files_linked;
    return true;
  }
  if (errno == EXDEV) hardlink_ = false;
  if (errno != EXDEV && errno != EMLINK && errno != EPERM) throw_errno("linking it to the source's file");
  return false;
}

void TreeCopier::put_file(const TreeNode& node, const LayerDir& dir) {
  const mode_t mode = node.st().st_mode & 07777;
  const Fd from = node.open_file();
  const Fd to = open_at(dir.fd.get(), node.name(), O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  const bool cloned = reflink_ && node.st().st_size > 0 && reflink(from.get(), to.get());
  if (reflink_ && !cloned && node.st().st_size > 0) {
    reflink_ = false;
    if (hardlink_) {  // the file on which that was found out
      if (::unlinkat(dir.fd.get(), node.name().c_str(), 0) != 0) throw_errno("removing an empty file");
      return link_to_source(node, dir) ? void() : put_file(node, dir);
    }
  }
  if (cloned) {
    ++copied_.files_linked;
  } else {
    copied_.bytes_copied += copy_content(from.get(), to.get(), node.st().st_size, progress_);
    ++copied_.files_copied;
  }
  const Xattrs xattrs = node.xattrs();
  set_attributes({dir.fd.get(), node.name(), to.get()}, S_IFREG, attributes_of(node.st(), xattrs),
                 creation_.of(mode, false, dir.set_gid));
}

void TreeCopier::put_node(const TreeNode& node, const LayerDir& dir) {
  const auto& st = node.st();
  const int failed = S_ISLNK(st.st_mode) ? ::symlinkat(node.link_target().c_str(), dir.fd.get(), node.name().c_str())
                                         : ::mknodat(dir.fd.get(), node.name().c_str(), st.st_mode, st.st_rdev);
  if (failed != 0) throw_errno("making it");
  const Xattrs xattrs = node.xattrs();
  set_attributes({dir.fd.get(), node.name()}, st.st_mode, attributes_of(st, xattrs),
                 creation_.of(st.st_mode & 07777, false, dir.set_gid));
}

}  // namespace

Copied apply_tree(const Tree& tree, const std::vector<Change>& changes, DiffTarget& target, Links links, Root root,
                  Progress* progress) {
  return TreeCopier(tree, target, links, progress).run(changes, root);
}

}  // namespace cairn
