#include "core/util/nameless_file.h"

#include <unistd.h>

#include <cstdlib>

#include "core/util/error.h"

namespace cairn {

std::string temporary_directory() {
  const char* named = std::getenv("TMPDIR");
  return named == nullptr || *named == '\0' ? "/var/tmp" : named;
}

[[noreturn]] static void throw_not_made(const std::string& directory) {
  throw_errno("making a file in '" + printable(directory) + "'");
}

Fd try_nameless_file_at(int dir_fd, const std::string& directory) {
  Fd fd(::openat(dir_fd, directory.c_str(), O_TMPFILE | O_RDWR | O_CLOEXEC, 0600));
  if (!fd && errno != EOPNOTSUPP && errno != EISDIR && errno != ENOENT) throw_not_made(directory);
  return fd;
}

Fd make_nameless_file(const std::string& directory) {
  Fd fd = try_nameless_file_at(AT_FDCWD, directory);
  if (fd) return fd;
  std::string name = directory + "/cairn-XXXXXX";
  fd = Fd(::mkostemp(name.data(), O_CLOEXEC));
  if (!fd) throw_not_made(directory);
  if (::unlink(name.c_str()) != 0) throw_errno("removing the name of '" + printable(name) + "'");
  return fd;
}

}  // namespace cairn
