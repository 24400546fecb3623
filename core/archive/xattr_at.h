// The xattrs of what a directory has under a name, which is never followed. Internal to core/archive.
#pragma once

#include <sys/types.h>

#include <string>
#include <string_view>

namespace cairn {

// As llistxattr(2) and lgetxattr(2): the size, or -1 and errno.
ssize_t list_xattrs_at(int dir_fd, const std::string& name, char* into, size_t size);
ssize_t get_xattr_at(int dir_fd, const std::string& name, const char* xattr, char* into, size_t size);

// xfs lists each POSIX ACL twice: as system.posix_acl_* and raw, as these. Setting one would set the ACL.
inline bool is_raw_acl(std::string_view xattr) noexcept { return xattr.starts_with("trusted.SGI_ACL_"); }

}  // namespace cairn
