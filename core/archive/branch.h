// One directory of one branch of a Tree, and the marks by which overlay and aufs branches say what is gone or
// elsewhere. Internal to core/archive.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/archive/tree.h"

namespace cairn {

struct BranchDir {
  std::shared_ptr<const Fd> fd;
  WhiteoutStyle style = WhiteoutStyle::none;
  bool user_marks = false;       // a user namespace's store: overlay marks are user.overlay.*, too
  bool xattr_whiteouts = false;  // zero-size files with overlay.whiteout are whiteouts (Linux 6.7)
  bool impure = false;           // may hold files that were copied up, so perhaps without their data (metacopy)
  uint16_t branch = 0;           // from the top
  dev_t dev = 0;
  ino_t ino = 0;

  bool same_directory(const BranchDir& other) const {
    return dev == other.dev && ino == other.ino && style == other.style;
  }
};

// The roots of all branches and what must outlive them.
struct BranchRoots {
  std::vector<BranchDir> dirs;
  std::shared_ptr<void> keep_alive;
};

// The directories that make up one merged directory, uppermost first.
struct BranchStack {
  std::shared_ptr<const BranchRoots> roots;
  std::vector<BranchDir> dirs;
  mutable std::atomic_flag listed;  // the descriptors' own read positions are used up
};

// What a directory's or a file's own xattrs say about it.
struct OverlayMarks {
  bool opaque = false, xattr_whiteouts = false, impure = false, metacopy = false, whiteout = false;
  std::string redirect;
};
OverlayMarks marks_of_dir(int fd, bool user_marks);
OverlayMarks marks_of_file(int dir_fd, const std::string& name, bool user_marks);
bool is_overlay_private(const std::string& xattr) noexcept;  // trusted.overlay.*, user.overlay.*

// A Tree of many branches keeps (depth x branches) directories open: the soft limit goes to the hard one, once.
void raise_descriptor_limit();

// O_RDONLY of a directory or regular file, O_NOFOLLOW, not touching its atime where that is permitted; -1 and errno.
int open_untouched(int dir_fd, const char* name, int flags) noexcept;

// `name` in `above`, which must be a directory; reads its marks. ENOENT and "not a directory": nullopt and errno.
std::optional<BranchDir> open_branch_dir(const BranchDir& above, const std::string& name, OverlayMarks& marks);

bool has_aufs_whiteout(const BranchDir& dir, const std::string& name);  // .wh.NAME
bool is_whiteout(const BranchDir& dir, const std::string& name, const struct stat& st);

// Finds what lower branches have for a name of `parent` that an upper branch redirected (overlay), as the kernel does:
// from the parent's lower directories, or from the lower roots when the redirect is absolute.
class LowerLookup {
 public:
  LowerLookup(const BranchStack& parent, std::string name, uint16_t after_branch)
      : parent_(parent), path_(std::move(name)), after_(after_branch) {}
  void redirect(const std::string& to);
  std::optional<BranchDir> next_dir();  // call until nullopt
  struct File {
    std::shared_ptr<const Fd> dir;
    std::string name;
    struct stat st;
  };
  std::optional<File> data_file();  // the regular file that holds the data

 private:
  const BranchDir* next_base();
  std::optional<BranchDir> walk(const BranchDir& base, const std::vector<std::string>& parts, size_t but);
  void redirect_component(size_t after, const std::string& to);

  const BranchStack& parent_;
  std::string path_;
  uint16_t after_;
  bool from_roots_ = false, stop_ = false;
};

}  // namespace cairn
