// The xattrs of what a directory has under a name, which is never followed. Internal to core/archive.
#pragma once

#include <sys/types.h>

#include <string>

namespace cairn {

// As llistxattr(2) and lgetxattr(2): the size, or -1 and errno.
ssize_t list_xattrs_at(int dir_fd, const std::string& name, char* into, size_t size);
ssize_t get_xattr_at(int dir_fd, const std::string& name, const char* xattr, char* into, size_t size);

}  // namespace cairn
