#include "drivers/btrfs/subvolume.h"

#include <fcntl.h>
#include <linux/btrfs.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <climits>

#include "core/util/error.h"

namespace cairn::btrfs {

static constexpr ino_t kSubvolumeRoot = 256;  // BTRFS_FIRST_FREE_OBJECTID

// The kernel takes the name up to its zero byte, and only checks that it has no slash.
template <typename Args>
static Args args_for(const std::string& name) {
  Args args{};
  if (name.empty() || name == "." || name == ".." || name.find('/') != std::string::npos ||
      name.find('\0') != std::string::npos || name.size() > NAME_MAX)
    throw Error(Errc::invalid, "naming a subvolume: '" + printable(name) + "' is no plain name");
  name.copy(args.name, name.size());
  return args;
}

bool on_btrfs(int fd) {
  struct statfs st;
  if (::fstatfs(fd, &st) != 0) throw_errno("reading the file system of '" + printable(path_of(fd)) + "'");
  return static_cast<unsigned long>(st.f_type) == BTRFS_SUPER_MAGIC;
}

bool is_subvolume(int dir_fd) {
  struct stat st;
  if (::fstat(dir_fd, &st) != 0) throw_errno("reading the status of '" + printable(path_of(dir_fd)) + "'");
  return st.st_ino == kSubvolumeRoot && on_btrfs(dir_fd);
}

Fd create_subvolume(int dir_fd, const std::string& name, mode_t mode) {
  auto args = args_for<btrfs_ioctl_vol_args_v2>(name);
  if (::ioctl(dir_fd, BTRFS_IOC_SUBVOL_CREATE_V2, &args) != 0)
    throw_errno("making the subvolume '" + printable(name) + "'");
  Fd made = open_dir_at(dir_fd, name);
  if (::fchmod(made.get(), mode) != 0) throw_errno("setting the mode of '" + printable(name) + "'");
  return made;
}

Fd snapshot(int source, int dir_fd, const std::string& name) {
  auto args = args_for<btrfs_ioctl_vol_args_v2>(name);
  args.fd = source;
  if (::ioctl(dir_fd, BTRFS_IOC_SNAP_CREATE_V2, &args) != 0)
    throw_errno("making a snapshot of '" + printable(path_of(source)) + "'");
  return open_dir_at(dir_fd, name);
}

// Unlike stat and open, this never crosses a mount: what is mounted on a directory is not the layer's.
static Fd open_below(int dir_fd, const std::string& name) {
  struct open_how how {};
  how.flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH;
  Fd fd(static_cast<int>(::syscall(SYS_openat2, dir_fd, name.c_str(), &how, sizeof how)));
  if (fd) return fd;
  if (errno == EXDEV) throw Error(Errc::in_use, "removing '" + printable(name) + "': something is mounted on it");
  throw_errno("opening '" + printable(name) + "'");
}

// The kernel removes one at once, files and all, and refuses while others are nested in it.
static bool destroy_subvolume(int dir_fd, const std::string& name) {
  auto args = args_for<btrfs_ioctl_vol_args>(name);
  if (::ioctl(dir_fd, BTRFS_IOC_SNAP_DESTROY, &args) == 0) return true;
  if (errno != ENOTEMPTY) throw_errno("removing the subvolume '" + printable(name) + "'");
  return false;
}

static void remove_below(int dir_fd, const std::string& name, int depth) {
  if (::unlinkat(dir_fd, name.c_str(), 0) == 0 || errno == ENOENT) return;
  if (errno != EISDIR && errno != EPERM) throw_errno("removing '" + printable(name) + "'");
  // Also the one way to remove what a snapshot has of a nested subvolume.
  if (::unlinkat(dir_fd, name.c_str(), AT_REMOVEDIR) == 0) return;
  if (errno != ENOTEMPTY) throw_errno("removing '" + printable(name) + "'");
  if (depth > 4096) throw Error(Errc::io, "removing '" + printable(name) + "': nested too deeply");
  const Fd dir = open_below(dir_fd, name);
  if (is_subvolume(dir.get()) && destroy_subvolume(dir_fd, name)) return;
  for (const auto& child : list_dir(dir.get())) remove_below(dir.get(), child, depth + 1);
  if (::unlinkat(dir_fd, name.c_str(), AT_REMOVEDIR) != 0) throw_errno("removing '" + printable(name) + "'");
}

void remove_deep(int dir_fd, const std::string& name) { remove_below(dir_fd, name, 0); }

}  // namespace cairn::btrfs
