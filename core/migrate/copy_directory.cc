#include "core/migrate/copy_directory.h"

#include <sys/stat.h>
#include <unistd.h>

#include <memory>

#include "core/archive/apply.h"
#include "core/archive/changes.h"
#include "core/archive/tree.h"
#include "core/util/error.h"

namespace cairn {

namespace {

// A directory that is filled like a layer and simply is one: nothing lies below it that could need hiding.
class PlainTarget : public DiffTarget {
 public:
  explicit PlainTarget(Fd root) : root_(std::move(root)) {}
  int root_fd() const override { return root_.get(); }
  void hide(int, const std::string&) override {}
  void make_opaque(int) override {}
  void finish(const std::optional<LayerId>&, const std::vector<std::string>&) override {}

 private:
  Fd root_;
};

}  // namespace

uint64_t copy_directory(Fd from, int to_fd, const std::string& name, const std::string& below,
                        const std::function<void(int dir_fd)>& finish, Progress* progress) {
  const std::string temporary = ".cairn-tmp-" + name;
  remove_tree_at(to_fd, temporary);
  mkdir_at(to_fd, temporary, 0755);
  ensure_dirs_at(to_fd, temporary + "/" + below, 0755);
  PlainTarget target(open_dir_at(to_fd, temporary + "/" + below));
  const Tree tree({Branch{std::make_shared<const Fd>(std::move(from)), WhiteoutStyle::none}});
  const Copied copied = apply_tree(tree, changes_between(tree, Tree()), target, Links::none, Root::take, progress);
  const TreeNode root = tree.root();
  if (::fchown(target.root_fd(), root.st().st_uid, root.st().st_gid) != 0 ||
      ::fchmod(target.root_fd(), root.st().st_mode & 07777) != 0)
    throw_errno("setting the owner of '" + printable(name) + "'");
  if (finish) finish(target.root_fd());
  sync_file_system(to_fd);
  if (::renameat(to_fd, temporary.c_str(), to_fd, name.c_str()) != 0)
    throw_errno("publishing '" + printable(name) + "'");
  fsync_fd(to_fd, "the directory of '" + name + "'");
  return copied.bytes_copied;
}

}  // namespace cairn
