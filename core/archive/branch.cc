#include "core/archive/branch.h"

#include <sys/resource.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstring>
#include <mutex>
#include <string_view>

#include "core/archive/xattr_at.h"
#include "core/util/error.h"

namespace cairn {
namespace {

constexpr size_t kXattrNames = 64 << 10;

// Names of a file's xattrs, each ended by NUL. `list` is the system call, called with a buffer and its size.
template <typename List>
std::string xattr_names(List&& list) {
  char small[512];
  ssize_t n = list(small, sizeof small);
  if (n >= 0) return {small, static_cast<size_t>(n)};
  if (errno == EOPNOTSUPP) return {};
  if (errno != ERANGE) throw_errno("listing the xattrs of a layer's file");
  std::string names(kXattrNames, '\0');
  n = list(names.data(), names.size());
  if (n < 0) throw_errno("listing the xattrs of a layer's file");
  names.resize(static_cast<size_t>(n));
  return names;
}

template <typename Get>
std::string xattr_value(const char* name, Get&& get) {
  char value[4096];
  const ssize_t n = get(name, value, sizeof value);
  if (n < 0 && errno == ERANGE)
    throw Error(Errc::corrupt, "reading a layer: the xattr " + std::string(name) + " is too long");
  if (n < 0 && errno != ENODATA) throw_errno("reading the xattr " + std::string(name) + " of a layer's file");
  return n < 0 ? std::string() : std::string(value, static_cast<size_t>(n));
}

// Reads those marks in `names` that are there.
template <typename Get>
OverlayMarks read_marks(std::string_view names, bool user_marks, Get&& get) {
  OverlayMarks marks;
  while (!names.empty()) {
    const std::string name(names.substr(0, names.find('\0')));
    names.remove_prefix(std::min(names.size(), name.size() + 1));
    std::string_view mark = name;
    if (mark.starts_with("trusted.overlay."))
      mark.remove_prefix(16);
    else if (user_marks && mark.starts_with("user.overlay."))
      mark.remove_prefix(13);
    else
      continue;
    if (mark == "opaque") {
      const std::string value = xattr_value(name.c_str(), get);
      marks.opaque = marks.opaque || value == "y";
      marks.xattr_whiteouts = marks.xattr_whiteouts || value == "x";
    } else if (mark == "redirect") {
      marks.redirect = xattr_value(name.c_str(), get);
    } else if (mark == "metacopy") {
      marks.metacopy = true;
    } else if (mark == "whiteout") {
      marks.whiteout = true;
    } else if (mark == "impure") {
      marks.impure = true;
    }
  }
  return marks;
}

std::vector<std::string> components_of(const std::string& path) {
  std::vector<std::string> parts;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    if (end > at) parts.push_back(path.substr(at, end - at));
    at = end + 1;
  }
  return parts;
}

}  // namespace

void raise_descriptor_limit() {
  static std::once_flag once;
  std::call_once(once, [] {
    rlimit limit;
    if (::getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur >= limit.rlim_max) return;
    limit.rlim_cur = limit.rlim_max;
    ::setrlimit(RLIMIT_NOFILE, &limit);  // where it fails, a deep tree fails with EMFILE
  });
}

bool is_overlay_private(const std::string& xattr) noexcept {
  return xattr.starts_with("trusted.overlay.") || xattr.starts_with("user.overlay.");
}

OverlayMarks marks_of_dir(int fd, bool user_marks) {
  const std::string names = xattr_names([&](char* into, size_t size) { return ::flistxattr(fd, into, size); });
  if (names.empty()) return {};
  return read_marks(names, user_marks,
                    [&](const char* name, char* into, size_t size) { return ::fgetxattr(fd, name, into, size); });
}

OverlayMarks marks_of_file(int dir_fd, const std::string& name, bool user_marks) {
  const std::string names =
      xattr_names([&](char* into, size_t size) { return list_xattrs_at(dir_fd, name, into, size); });
  if (names.empty()) return {};
  return read_marks(names, user_marks, [&](const char* xattr, char* into, size_t size) {
    return get_xattr_at(dir_fd, name, xattr, into, size);
  });
}

int open_untouched(int dir_fd, const char* name, int flags) noexcept {
  flags |= O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK | O_NOCTTY;
  const int fd = ::openat(dir_fd, name, flags | O_NOATIME);
  return fd < 0 && errno == EPERM ? ::openat(dir_fd, name, flags) : fd;
}

std::optional<BranchDir> open_branch_dir(const BranchDir& above, const std::string& name, OverlayMarks& marks) {
  Fd fd(open_untouched(above.fd->get(), name.c_str(), O_DIRECTORY));
  if (!fd && (errno == ENOENT || errno == ENOTDIR || errno == ELOOP)) return std::nullopt;
  struct stat st;
  if (!fd || ::fstat(fd.get(), &st) != 0) throw_errno("opening the directory '" + printable(name) + "' of a layer");
  BranchDir dir = above;
  dir.dev = st.st_dev;
  dir.ino = st.st_ino;
  marks = above.style == WhiteoutStyle::overlay ? marks_of_dir(fd.get(), above.user_marks) : OverlayMarks{};
  dir.xattr_whiteouts = marks.xattr_whiteouts;
  dir.impure = marks.impure;
  dir.fd = std::make_shared<const Fd>(std::move(fd));
  if (above.style == WhiteoutStyle::aufs) marks.opaque = has_aufs_whiteout(dir, ".wh..opq");
  return dir;
}

bool has_aufs_whiteout(const BranchDir& dir, const std::string& name) {
  struct stat st;
  if (::fstatat(dir.fd->get(), (".wh." + name).c_str(), &st, AT_SYMLINK_NOFOLLOW) == 0) return true;
  if (errno == ENOENT || errno == ENAMETOOLONG) return false;
  throw_errno("looking for the whiteout of '" + printable(name) + "'");
}

bool is_whiteout(const BranchDir& dir, const std::string& name, const struct stat& st) {
  if (dir.style != WhiteoutStyle::overlay) return false;
  if (S_ISCHR(st.st_mode) && st.st_rdev == 0) return true;
  return dir.xattr_whiteouts && S_ISREG(st.st_mode) && st.st_size == 0 &&
         marks_of_file(dir.fd->get(), name, dir.user_marks).whiteout;
}

void LowerLookup::redirect(const std::string& to) { redirect_component(0, to); }

// The component with `after` others behind it carries the redirect `to`: lower branches have it there.
void LowerLookup::redirect_component(size_t after, const std::string& to) {
  const auto old = components_of(path_);
  const size_t index = old.size() - 1 - after;
  bool bad = !to.starts_with('/') && to.find('/') != std::string::npos;
  std::string path;
  if (to.starts_with('/')) {
    stop_ = false;  // an opaque directory on the old path says nothing about the new one
    from_roots_ = true;
  } else {
    for (size_t i = 0; i < index; ++i) path += old[i] + "/";
  }
  path += to;
  for (size_t i = index + 1; i < old.size(); ++i) path += "/" + old[i];
  const auto parts = components_of(path);
  bad = bad || parts.size() <= after || path.size() > (64 << 10);
  for (const auto& part : parts) bad = bad || part == "." || part == ".." || part.find('\0') != std::string::npos;
  if (bad)
    throw Error(Errc::corrupt,
                "following the overlay redirect '" + printable(to) + "': it is not a path inside a layer");
  path_ = path;
}

// The next lower directory to look in, or nullptr.
const BranchDir* LowerLookup::next_base() {
  if (stop_) return nullptr;
  for (const auto& dir : from_roots_ ? parent_.roots->dirs : parent_.dirs) {
    if (dir.branch <= after_) continue;
    after_ = dir.branch;
    return &dir;
  }
  return nullptr;
}

// Opens all but the last `but` of `parts` below `base`.
std::optional<BranchDir> LowerLookup::walk(const BranchDir& base, const std::vector<std::string>& parts, size_t but) {
  BranchDir dir = base;
  for (size_t i = 0; i + but < parts.size(); ++i) {
    OverlayMarks marks;
    auto next = open_branch_dir(dir, parts[i], marks);
    if (!next) {
      stop_ = stop_ || errno != ENOENT;  // a whiteout or a file: nothing below it shows
      return std::nullopt;
    }
    dir = std::move(*next);
    if (marks.opaque) stop_ = true;
    // Only later branches are looked up by the new path: within this one the old path goes on.
    if (!marks.redirect.empty()) redirect_component(parts.size() - 1 - i, marks.redirect);
  }
  return dir;
}

std::optional<BranchDir> LowerLookup::next_dir() {
  while (const BranchDir* base = next_base())
    if (auto dir = walk(*base, components_of(path_), 0)) return dir;
  return std::nullopt;
}

std::optional<LowerLookup::File> LowerLookup::data_file() {
  while (const BranchDir* base = next_base()) {
    const auto parts = components_of(path_);
    const auto dir = walk(*base, parts, 1);
    if (!dir) continue;
    const std::string& name = parts.back();
    const auto st = stat_at(dir->fd->get(), name);
    if (!st) continue;
    if (!S_ISREG(st->st_mode) || is_whiteout(*dir, name, *st)) return std::nullopt;
    const OverlayMarks marks = marks_of_file(dir->fd->get(), name, dir->user_marks);
    if (!marks.metacopy) return File{dir->fd, name, *st};
    if (!marks.redirect.empty()) redirect(marks.redirect);
  }
  return std::nullopt;
}

}  // namespace cairn
