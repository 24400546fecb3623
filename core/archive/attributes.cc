#include "core/archive/attributes.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>

#include "core/archive/branch.h"
#include "core/archive/xattr_at.h"
#include "core/util/error.h"
#include "core/util/fd.h"

namespace cairn {

// umask(2) cannot be read without setting it for all threads; /proc can.
static mode_t process_umask() {
  const auto status = try_read_file_at(AT_FDCWD, "/proc/thread-self/status");
  const size_t at = status ? status->find("Umask:\t") : std::string::npos;
  return at == std::string::npos ? 0777 : static_cast<mode_t>(std::stoul(status->substr(at + 7, 8), nullptr, 8));
}

Creation::Creation() : uid_(::geteuid()), gid_(::getegid()), umask_(process_umask()) {}

Creation::Result Creation::of(mode_t asked, bool directory, bool inherits) const {
  const mode_t kept = directory ? 01777 : 07777;
  return {uid_, gid_, asked & kept & ~umask_, !inherits};
}

static std::string proc_path(const InodeRef& inode) {
  return "/proc/self/fd/" + std::to_string(inode.dir_fd) + "/" + inode.name;
}

void set_xattr(const InodeRef& inode, const std::string& name, const std::string& value) {
  const int failed = inode.fd >= 0 ? ::fsetxattr(inode.fd, name.c_str(), value.data(), value.size(), 0)
                                   : ::lsetxattr(proc_path(inode).c_str(), name.c_str(), value.data(), value.size(), 0);
  if (failed == 0) return;
  const int err = errno;
  if (name == "security.selinux") return;  // the kernel's policy decides, and without SELinux it means nothing
  const std::string doing = "setting the xattr " + printable(name) + " of '" + printable(inode.name) + "'";
  if (err == EOPNOTSUPP)
    throw Error(Errc::unsupported, doing + ": the file system of '" +
                                       printable(path_of(inode.fd >= 0 ? inode.fd : inode.dir_fd)) +
                                       "' has no such xattrs; use one that has (ext4, xfs, btrfs)");
  throw_errno(doing + " (" + std::to_string(value.size()) + " bytes)", err);
}

void set_times(const InodeRef& inode, const timespec& atime, const timespec& mtime) {
  const timespec times[2] = {atime, mtime};
  const int failed = inode.fd >= 0 ? ::futimens(inode.fd, times)
                                   : ::utimensat(inode.dir_fd, inode.name.c_str(), times, AT_SYMLINK_NOFOLLOW);
  if (failed != 0) throw_errno("setting the times of '" + printable(inode.name) + "'");
}

static void set_owner(const InodeRef& inode, uid_t uid, gid_t gid) {
  const int failed = inode.fd >= 0 ? ::fchown(inode.fd, uid, gid)
                                   : ::fchownat(inode.dir_fd, inode.name.c_str(), uid, gid, AT_SYMLINK_NOFOLLOW);
  if (failed != 0)
    throw_errno("setting the owner " + std::to_string(uid) + ":" + std::to_string(gid) + " of '" +
                printable(inode.name) + "'");
}

static void set_mode(const InodeRef& inode, mode_t mode) {
  // The inode is no symbolic link and nobody else works in the directory, so nothing is followed.
  const int failed = inode.fd >= 0 ? ::fchmod(inode.fd, mode) : ::fchmodat(inode.dir_fd, inode.name.c_str(), mode, 0);
  if (failed != 0) throw_errno("setting the mode of '" + printable(inode.name) + "'");
}

void set_attributes(const InodeRef& inode, mode_t type, const Attributes& wanted, const Creation::Result& given) {
  const bool owner = !given.certain || given.uid != wanted.uid || given.gid != wanted.gid;
  if (owner) set_owner(inode, wanted.uid, wanted.gid);  // first: it drops set-ID bits and capabilities
  bool mode = !given.certain || given.mode != wanted.mode || (owner && (wanted.mode & 06000) != 0);
  if (wanted.xattrs != nullptr) {
    for (const auto& [name, value] : *wanted.xattrs) {
      if (is_overlay_private(name) || is_raw_acl(name) || name == kDefaultAcl) continue;
      set_xattr(inode, name, value);
      mode = mode || name == "system.posix_acl_access";
    }
  }
  if (mode && !S_ISLNK(type)) set_mode(inode, wanted.mode);
  if (!S_ISDIR(type)) set_times(inode, wanted.atime, wanted.mtime);
}

}  // namespace cairn
