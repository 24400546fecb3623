#include "core/util/fd.h"

#include <dirent.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <memory>

#include "core/util/error.h"
#include "core/util/ids.h"

namespace cairn {

void Fd::reset() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Fd open_at(int dir_fd, const std::string& path, int flags, mode_t mode) {
  const int fd = ::openat(dir_fd, path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0) throw_errno("opening '" + printable(path) + "'");
  return Fd(fd);
}

std::optional<Fd> try_open_at(int dir_fd, const std::string& path, int flags, mode_t mode) {
  const int fd = ::openat(dir_fd, path.c_str(), flags | O_CLOEXEC, mode);
  if (fd < 0 && errno == ENOENT) return std::nullopt;
  if (fd < 0) throw_errno("opening '" + printable(path) + "'");
  return Fd(fd);
}

Fd open_dir(const std::string& path) { return open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY); }

Fd open_dir_at(int dir_fd, const std::string& path) {
  return open_at(dir_fd, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

Fd dup_fd(int fd) {
  const int copy = ::fcntl(fd, F_DUPFD_CLOEXEC, 0);
  if (copy < 0) throw_errno("duplicating a descriptor");
  return Fd(copy);
}

std::optional<struct stat> stat_at(int dir_fd, const std::string& path) {
  struct stat st;
  if (::fstatat(dir_fd, path.c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0) return st;
  if (errno == ENOENT || errno == ENOTDIR) return std::nullopt;
  throw_errno("reading the status of '" + printable(path) + "'");
}

bool exists_at(int dir_fd, const std::string& path) { return stat_at(dir_fd, path).has_value(); }

static std::string read_whole(int fd, const std::string& path, size_t limit) {
  struct stat st;
  if (::fstat(fd, &st) != 0) throw_errno("reading the status of '" + printable(path) + "'");
  std::string out;
  size_t done = 0;
  out.resize(std::min<size_t>(limit, static_cast<size_t>(std::max<off_t>(st.st_size, 0))) + 1);
  for (;;) {
    if (done == out.size()) out.resize(out.size() * 2);
    const size_t n = while_doing([&] { return "reading '" + printable(path) + "'"; },
                                 [&] { return read_some(fd, std::span(out).subspan(done)); });
    if (n == 0) break;
    done += n;
    if (done > limit)
      throw Error(Errc::corrupt, "reading '" + printable(path) + "': larger than " + std::to_string(limit) + " bytes");
  }
  out.resize(done);
  return out;
}

std::string read_file_at(int dir_fd, const std::string& path, size_t limit) {
  return read_whole(open_at(dir_fd, path, O_RDONLY | O_NOCTTY).get(), path, limit);
}

std::optional<std::string> try_read_file_at(int dir_fd, const std::string& path, size_t limit) {
  const auto fd = try_open_at(dir_fd, path, O_RDONLY | O_NOCTTY);
  if (!fd) return std::nullopt;
  return read_whole(fd->get(), path, limit);
}

// For messages.
static std::string name_of(int fd) {
  const std::string path = path_of(fd);
  struct stat st;
  if (::fstat(fd, &st) != 0 || st.st_nlink > 0 || !path.starts_with('/')) return "'" + printable(path) + "'";
  return "a file without a name in '" + printable(path.substr(0, std::max<size_t>(path.rfind('/'), 1))) + "'";
}

// 0, or the errno of what could not be written.
static int try_write_all(int fd, std::span<const char> bytes) {
  while (!bytes.empty()) {
    const ssize_t n = ::write(fd, bytes.data(), bytes.size());
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return errno;
    bytes = bytes.subspan(static_cast<size_t>(n));
  }
  return 0;
}

void write_all(int fd, std::span<const char> bytes) {
  if (const int err = try_write_all(fd, bytes)) throw_errno("writing " + name_of(fd), err);
}

void write_all(int fd, std::span<const char> bytes, const std::string& name) {
  if (const int err = try_write_all(fd, bytes)) throw_errno("writing '" + printable(name) + "'", err);
}

size_t read_some(int fd, std::span<char> into) {
  for (;;) {
    const ssize_t n = ::read(fd, into.data(), into.size());
    if (n >= 0) return static_cast<size_t>(n);
    if (errno != EINTR) throw_errno("reading " + name_of(fd));
  }
}

size_t read_full(int fd, std::span<char> into) {
  size_t done = 0;
  while (done < into.size()) {
    const size_t n = read_some(fd, into.subspan(done));
    if (n == 0) break;
    done += n;
  }
  return done;
}

void create_file_at(int dir_fd, const std::string& path, std::string_view content, mode_t mode) {
  const Fd fd = open_at(dir_fd, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, mode);
  write_all(fd.get(), content);
  if (::fchmod(fd.get(), mode) != 0) throw_errno("setting the mode of '" + printable(path) + "'");
}

void mkdir_at(int dir_fd, const std::string& path, mode_t mode) {
  if (::mkdirat(dir_fd, path.c_str(), mode) != 0) throw_errno("making the directory '" + printable(path) + "'");
  if (::fchmodat(dir_fd, path.c_str(), mode, 0) != 0) throw_errno("setting the mode of '" + printable(path) + "'");
}

bool ensure_dir_at(int dir_fd, const std::string& path, mode_t mode) {
  if (::mkdirat(dir_fd, path.c_str(), mode) == 0) {
    if (::fchmodat(dir_fd, path.c_str(), mode, 0) != 0) throw_errno("setting the mode of '" + printable(path) + "'");
    return true;
  }
  if (errno != EEXIST) throw_errno("making the directory '" + printable(path) + "'");
  struct stat st {};  // stays empty for a link to nowhere
  if (::fstatat(dir_fd, path.c_str(), &st, 0) != 0 && errno != ENOENT)
    throw_errno("making the directory '" + printable(path) + "'");
  if (!S_ISDIR(st.st_mode))
    throw Error(Errc::io, "making the directory '" + printable(path) + "': something else has that name");
  return false;
}

void ensure_dirs_at(int dir_fd, const std::string& path, mode_t mode) {
  for (size_t end = 1; end != std::string::npos && end <= path.size();) {
    end = path.find('/', end);
    const std::string part = path.substr(0, end);
    if (!part.empty()) ensure_dir_at(dir_fd, part, mode);
    if (end != std::string::npos) ++end;
  }
}

std::vector<std::string> list_dir(int dir_fd) {
  Fd own(::openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  const std::unique_ptr<DIR, int (*)(DIR*)> dir(own ? ::fdopendir(own.get()) : nullptr, ::closedir);
  if (!dir) throw_errno("opening the directory '" + printable(path_of(dir_fd)) + "'");
  own.release();  // it is the stream's now
  std::vector<std::string> names;
  for (errno = 0; const dirent* entry = ::readdir(dir.get()); errno = 0) {
    const std::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  if (errno != 0) throw_errno("listing '" + printable(path_of(dir_fd)) + "'");
  std::sort(names.begin(), names.end());
  return names;
}

static void remove_below(int dir_fd, const std::string& name, dev_t device, int depth) {
  if (::unlinkat(dir_fd, name.c_str(), 0) == 0 || errno == ENOENT) return;
  if (errno != EISDIR && errno != EPERM) throw_errno("removing '" + printable(name) + "'");
  const Fd dir = open_dir_at(dir_fd, name);
  struct stat st;
  if (::fstat(dir.get(), &st) != 0) throw_errno("reading the status of '" + printable(name) + "'");
  if (st.st_dev != device) throw Error(Errc::in_use, "removing '" + printable(name) + "': something is mounted on it");
  if (depth > 4096) throw Error(Errc::io, "removing '" + printable(name) + "': nested too deeply");
  for (const auto& child : list_dir(dir.get())) remove_below(dir.get(), child, device, depth + 1);
  if (::unlinkat(dir_fd, name.c_str(), AT_REMOVEDIR) != 0 && errno != ENOENT)
    throw_errno("removing '" + printable(name) + "'");
}

void remove_tree_at(int dir_fd, const std::string& name) {
  struct stat st;
  if (::fstat(dir_fd, &st) != 0) throw_errno("reading the status of the directory above '" + printable(name) + "'");
  remove_below(dir_fd, name, st.st_dev, 0);
}

void fsync_fd(int fd, const std::string& what) {
  if (::fsync(fd) != 0) throw_errno("making '" + printable(what) + "' durable");
}

void sync_file_system(int fd) {
  if (::syncfs(fd) != 0) throw_errno("making the file system of '" + printable(path_of(fd)) + "' durable");
}

std::string path_of(int fd) {
  char buffer[PATH_MAX];
  const ssize_t n = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), buffer, sizeof buffer);
  return n < 0 ? "descriptor " + std::to_string(fd) : std::string(buffer, static_cast<size_t>(n));
}

}  // namespace cairn
