// Owner, xattrs, mode and times of a new inode, in the order that keeps all of them, and only where they differ from
// what creation gave. Internal to core/archive.
#pragma once

#include <sys/stat.h>

#include <ctime>
#include <map>
#include <string>

namespace cairn {

struct Attributes {
  uid_t uid = 0;
  gid_t gid = 0;
  mode_t mode = 0;  // 07777
  timespec atime{}, mtime{};
  const std::map<std::string, std::string>* xattrs = nullptr;
};

// The inode to be changed: `fd` if it is open, else `name` in `dir_fd`, which is never followed. `fd` is needed for a
// directory that is the root.
struct InodeRef {
  int dir_fd = -1;
  const std::string& name;
  int fd = -1;
};

// What a system call that creates gives, by the process's ids and umask.
class Creation {
 public:
  Creation();
  // `inherits`: the directory has its set-group-ID bit. Then nothing is taken for granted.
  struct Result {
    uid_t uid;
    gid_t gid;
    mode_t mode;
    bool certain;
  };
  Result of(mode_t asked, bool directory, bool inherits) const;
  static Result unknown() { return {0, 0, 0, false}; }  // an inode that was there before

 private:
  uid_t uid_;
  gid_t gid_;
  mode_t umask_;
};

constexpr const char* kDefaultAcl = "system.posix_acl_default";  // would change what is made below: set it at the end

// Times are left alone for directories: what is still to be put into them would change them.
// xattrs of overlay itself (trusted.overlay.*, user.overlay.*) are dropped: they would forge its marks; xfs's raw ACLs
// are, too. A default ACL is left out. Throws Errc::unsupported where the file system has no such xattrs.
void set_attributes(const InodeRef& inode, mode_t type, const Attributes& wanted, const Creation::Result& given);
void set_times(const InodeRef& inode, const timespec& atime, const timespec& mtime);
void set_xattr(const InodeRef& inode, const std::string& name, const std::string& value);

}  // namespace cairn
