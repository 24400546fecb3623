#include "cli/privilege.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include "core/util/error.h"

namespace cairn {

static bool is_root() { return ::geteuid() == 0; }

void require_root(const std::string& what) {
  if (!is_root()) throw Error(Errc::unsupported, "this needs root: " + what + "; try it with sudo");
}

void require_readable(const std::string& root) {
  if (is_root()) return;
  for (const char* below : {"", "/graph", "/image", "/containers"}) {
    const std::string path = root + below;
    if (::faccessat(AT_FDCWD, path.c_str(), R_OK | X_OK, AT_EACCESS) != 0 && errno == EACCES)
      require_root("reading the store '" + printable(root) + "', which is closed to others");
  }
}

}  // namespace cairn
