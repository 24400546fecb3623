#include "core/archive/xattr_at.h"

#include <fcntl.h>
#include <sys/syscall.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>

namespace cairn {

constexpr long kListXattrAt = 465;  // listxattrat(2), Linux 6.13: younger than Debian 12's headers

static std::string proc_path(int dir_fd, const std::string& name) {
  return "/proc/self/fd/" + std::to_string(dir_fd) + "/" + name;
}

ssize_t list_xattrs_at(int dir_fd, const std::string& name, char* into, size_t size) {
  static std::atomic<bool> available{true};
  if (available.load(std::memory_order_relaxed)) {
    const long n = ::syscall(kListXattrAt, dir_fd, name.c_str(), AT_SYMLINK_NOFOLLOW, into, size);
    if (n >= 0 || (errno != ENOSYS && errno != EPERM)) return n;
    available = false;  // an older kernel, or a sandbox that knows no such call
  }
  return ::llistxattr(proc_path(dir_fd, name).c_str(), into, size);
}

// Few files have any, so the way through /proc is good enough.
ssize_t get_xattr_at(int dir_fd, const std::string& name, const char* xattr, char* into, size_t size) {
  return ::lgetxattr(proc_path(dir_fd, name).c_str(), xattr, into, size);
}

}  // namespace cairn
