#include "drivers/sys/overlay_marks.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/sysmacros.h>
#include <sys/vfs.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/util/error.h"
#include "core/util/fd.h"

namespace cairn {

static constexpr const char* kOpaque = "trusted.overlay.opaque";

void write_whiteout(int dir_fd, const std::string& name) {
  if (::mknodat(dir_fd, name.c_str(), S_IFCHR, makedev(0, 0)) != 0)
    throw_errno("making the whiteout of '" + printable(name) + "' (a device node, which needs root)");
  // A set-group-id directory gives its group to what is made in it.
  if (::fchownat(dir_fd, name.c_str(), 0, 0, AT_SYMLINK_NOFOLLOW) != 0)
    throw_errno("giving the whiteout of '" + printable(name) + "' to root");
}

void write_opaque(int dir_fd) {
  if (::fsetxattr(dir_fd, kOpaque, "y", 1, 0) != 0)
    throw_errno("marking a directory as opaque (trusted xattrs need root)");
}

void clear_opaque(int dir_fd) {
  if (::fremovexattr(dir_fd, kOpaque) != 0) throw_errno("clearing the opaque mark of a directory");
}

bool is_opaque(int dir_fd) {
  char value = 0;
  return ::fgetxattr(dir_fd, kOpaque, &value, 1) == 1 && value == 'y';
}

bool is_whiteout_device(const struct stat& st) { return S_ISCHR(st.st_mode) && st.st_rdev == makedev(0, 0); }

void require_visible_marks(int dir_fd) {
  struct statfs fs;
  if (::fstatfs(dir_fd, &fs) != 0) throw_errno("finding out the file system of '" + printable(path_of(dir_fd)) + "'");
  if (fs.f_type == OVERLAYFS_SUPER_MAGIC)
    throw Error(Errc::unsupported,
                "joining layers in '" + printable(path_of(dir_fd)) +
                    "': an overlay file system lies over them and hides what marks directories as replaced, so deleted "
                    "files would come back; name the root on the file system below it");
}

}  // namespace cairn
