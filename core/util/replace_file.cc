#include "core/util/replace_file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/util/error.h"
#include "core/util/fd.h"
#include "core/util/ids.h"
#include "core/util/nameless_file.h"

namespace cairn {

constexpr std::string_view kPrefix = ".tmp-cairn-";

static bool give_name(int fd, int dir_fd, const std::string& name) {
  const std::string nameless = "/proc/self/fd/" + std::to_string(fd);
  if (::linkat(AT_FDCWD, nameless.c_str(), dir_fd, name.c_str(), AT_SYMLINK_FOLLOW) == 0) return true;
  if (errno != EEXIST) throw_errno("naming '" + printable(name) + "'");
  return false;
}

static void write_new(int fd, std::string_view content, mode_t mode, Durable durable) {
  write_all(fd, content);
  if (::fchmod(fd, mode) != 0) throw_errno("setting the mode");
  if (durable == Durable::yes) fsync_fd(fd, "a temporary file");
}

static void put(int dir_fd, const std::string& name, std::string_view content, mode_t mode, Durable durable) {
  const std::string temporary = std::string(kPrefix) + random_hex(8);
  Fd fd = try_nameless_file_at(dir_fd, ".");
  const bool nameless = static_cast<bool>(fd);
  if (!nameless) fd = open_at(dir_fd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  try {
    if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) throw_errno("locking a temporary file");
    write_new(fd.get(), content, mode, durable);
    if (nameless && give_name(fd.get(), dir_fd, name)) return;
    if (nameless) give_name(fd.get(), dir_fd, temporary);
    if (::renameat(dir_fd, temporary.c_str(), dir_fd, name.c_str()) != 0) throw_errno("putting it in place");
  } catch (...) {
    ::unlinkat(dir_fd, temporary.c_str(), 0);
    throw;
  }
}

void replace_file_at(int dir_fd, const std::string& path, std::string_view content, mode_t mode, Durable durable) {
  while_doing([&] { return "writing '" + printable(path) + "'"; },
              [&] {
                const size_t slash = path.rfind('/');
                const std::string folder = slash == std::string::npos ? "." : path.substr(0, slash);
                const Fd dir = open_at(dir_fd, folder, O_RDONLY | O_DIRECTORY);
                put(dir.get(), path.substr(slash + 1), content, mode, durable);
                if (durable == Durable::yes) fsync_fd(dir.get(), folder);
              });
}

void remove_abandoned_files(int dir_fd) {
  for (const auto& name : list_dir(dir_fd)) {
    if (!name.starts_with(kPrefix)) continue;
    const Fd file(::openat(dir_fd, name.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!file || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0) continue;
    if (::unlinkat(dir_fd, name.c_str(), 0) != 0 && errno != ENOENT)
      throw_errno("removing the abandoned '" + printable(name) + "'");
  }
}

}  // namespace cairn
