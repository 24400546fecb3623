#include "graphdb/util/files.h"

#include <unistd.h>

#include <algorithm>
#include <charconv>

#include "core/util/error.h"
#include "core/util/ids.h"

namespace cairn {

// O_NONBLOCK: a pipe with that name must not hang us.
constexpr int kReadFlags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY;

static void require_regular(int fd, const std::string& path) {
  struct stat st;
  if (::fstat(fd, &st) != 0) throw_errno("reading the status of '" + printable(path) + "'");
  if (!S_ISREG(st.st_mode)) throw Error(Errc::corrupt, "reading '" + printable(path) + "': it is no regular file");
}

static std::optional<Fd> open_regular(int dir_fd, const std::string& path) {
  const int raw = ::openat(dir_fd, path.c_str(), kReadFlags | O_CLOEXEC);
  if (raw < 0 && errno == ENOENT) return std::nullopt;
  if (raw < 0 && (errno == ELOOP || errno == ENXIO || errno == ENOTDIR))
    throw Error(Errc::corrupt, "reading '" + printable(path) + "': it is no regular file");
  if (raw < 0) throw_errno("opening '" + printable(path) + "'");
  Fd fd(raw);
  require_regular(raw, path);
  return fd;
}

static std::string read_limited(int fd, const std::string& path, size_t limit) {
  std::string out;
  char buffer[16384];
  while (const size_t n = read_some(fd, buffer)) {
    if (out.size() + n > limit)
      throw Error(Errc::corrupt, "reading '" + printable(path) + "': larger than " + std::to_string(limit) + " bytes");
    out.append(buffer, n);
  }
  return out;
}

std::optional<std::string> try_read_regular_at(int dir_fd, const std::string& path, size_t limit) {
  const auto fd = open_regular(dir_fd, path);
  return fd ? std::optional(read_limited(fd->get(), path, limit)) : std::nullopt;
}

Fd open_regular_at(int dir_fd, const std::string& path) {
  auto fd = open_regular(dir_fd, path);
  if (!fd) throw_errno("opening '" + printable(path) + "'", ENOENT);
  return std::move(*fd);
}

std::string read_regular_at(int dir_fd, const std::string& path, size_t limit) {
  return read_limited(open_regular_at(dir_fd, path).get(), path, limit);
}

std::optional<Fd> try_open_dir(int dir_fd, const std::string& path) {
  return try_open_at(dir_fd, path, O_RDONLY | O_DIRECTORY);
}

void rename_at(int from_fd, const std::string& from, int to_fd, const std::string& to, const std::string& what) {
  if (::renameat(from_fd, from.c_str(), to_fd, to.c_str()) != 0) throw_errno("renaming '" + printable(what) + "'");
}

bool valid_name(std::string_view text) noexcept { return LayerId::valid(text); }

std::string trimmed(std::string_view text) {
  constexpr std::string_view space = " \t\n\r\v\f";
  const size_t from = text.find_first_not_of(space);
  if (from == std::string_view::npos) return "";
  return std::string(text.substr(from, text.find_last_not_of(space) - from + 1));
}

std::optional<int64_t> parse_int64(std::string_view text) noexcept {
  if (text.size() > 1 && text[0] == '+' && text[1] != '-') text.remove_prefix(1);
  int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

}  // namespace cairn
