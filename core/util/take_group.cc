#include "core/util/take_group.h"

#include <sys/stat.h>
#include <unistd.h>

#include "core/util/error.h"
#include "core/util/fd.h"

namespace cairn {

void take_group(int fd, int above_fd) {
  struct stat own, above;
  if (::fstat(fd, &own) != 0 || ::fstat(above_fd, &above) != 0) throw_errno("reading a directory's group");
  if (own.st_gid != above.st_gid && ::fchown(fd, static_cast<uid_t>(-1), above.st_gid) != 0)
    throw_errno("giving '" + printable(path_of(fd)) + "' the group of the directory above");
}

}  // namespace cairn
