#include "core/archive/layer_dirs.h"

#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>

#include "core/util/error.h"

namespace cairn {

static constexpr size_t kKeptOpen = 32;  // per generation: parents of where a walk of a tree is now
static constexpr int kMaxLinks = 40;     // as the kernel
static constexpr int kDirectory = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;

std::vector<std::string> path_components(std::string_view path) {
  std::vector<std::string> parts;
  for (size_t at = 0; at < path.size();) {
    const size_t end = std::min(path.find('/', at), path.size());
    const std::string_view part = path.substr(at, end - at);
    if (!part.empty() && part != ".") parts.emplace_back(part);
    at = end + 1;
  }
  return parts;
}

std::string folder_of(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

std::string base_of(const std::string& path) { return path.substr(path.rfind('/') + 1); }

static std::string join(const std::vector<std::string>& names) {
  std::string path;
  for (const auto& name : names) path += (path.empty() ? "" : "/") + name;
  return path.empty() ? "." : path;
}

std::shared_ptr<const LayerDir> LayerDirs::known(const std::string& path) {
  if (last_ && path == last_path_) return last_;
  auto found = recent_.find(path);
  if (found == recent_.end()) {
    const auto old = older_.find(path);
    if (old == older_.end()) return nullptr;
    found = recent_.insert(older_.extract(old)).position;
  }
  last_path_ = path;
  return last_ = found->second;
}

std::shared_ptr<const LayerDir> LayerDirs::keep(const std::string& path, LayerDir dir) {
  struct stat st;
  if (::fstat(dir.fd.get(), &st) != 0) throw_errno("reading the status of '" + printable(path) + "'");
  dir.set_gid = (st.st_mode & S_ISGID) != 0;
  if (recent_.size() >= kKeptOpen) {
    older_ = std::move(recent_);
    recent_.clear();
  }
  last_path_ = path;
  last_ = std::make_shared<const LayerDir>(std::move(dir));
  recent_.emplace(path, last_);
  return last_;
}

void LayerDirs::forget() {
  last_.reset();
  recent_.clear();
  older_.clear();
}

// The whole path in one system call, if no symbolic link is on it and the kernel can (Linux 5.6); else no descriptor.
Fd LayerDirs::open_plain(const std::string& path) const {
  open_how how{};
  how.flags = static_cast<uint64_t>(kDirectory);
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  return Fd(static_cast<int>(::syscall(SYS_openat2, root_fd_, path.c_str(), &how, sizeof how)));
}

std::shared_ptr<const LayerDir> LayerDirs::open_or_make(const std::string& path) {
  if (auto dir = known(path)) return dir;
  if (Fd fd = open_plain(path)) return keep(path, {std::move(fd), path});
  return keep(path, *walk(path, Missing::make, nullptr));
}

std::shared_ptr<const LayerDir> LayerDirs::open_existing(const std::string& path, std::string* resolved) {
  if (auto dir = known(path)) return dir;
  if (Fd fd = open_plain(path)) return keep(path, {std::move(fd), path});
  auto dir = walk(path, Missing::stop, resolved);
  return dir ? keep(path, std::move(*dir)) : nullptr;
}

Fd LayerDirs::reopen(const std::vector<std::string>& names) const {
  Fd dir = open_at(root_fd_, ".", kDirectory);
  for (const auto& name : names) dir = open_dir_at(dir.get(), name);
  return dir;
}

static std::string link_at(int dir_fd, const std::string& name) {
  char target[PATH_MAX];
  const ssize_t n = ::readlinkat(dir_fd, name.c_str(), target, sizeof target);
  if (n < 0 && errno == EINVAL)
    throw Error(Errc::invalid, "'" + printable(name) + "' on the way to it is not a directory");
  if (n < 0) throw_errno("reading the link '" + printable(name) + "'");
  return {target, static_cast<size_t>(n)};
}

std::optional<LayerDir> LayerDirs::walk(const std::string& path, Missing missing, std::string* resolved) const {
  std::vector<std::string> names, ahead = path_components(path);
  std::reverse(ahead.begin(), ahead.end());
  Fd dir = reopen({});
  for (int links = 0; !ahead.empty();) {
    const std::string name = std::move(ahead.back());
    ahead.pop_back();
    if (name == "..") {
      if (!names.empty()) names.pop_back();
      dir = reopen(names);
      continue;
    }
    Fd next(::openat(dir.get(), name.c_str(), kDirectory));
    if (!next && errno == ENOENT) {
      names.push_back(name);
      if (missing == Missing::stop) {
        names.insert(names.end(), ahead.rbegin(), ahead.rend());
        if (resolved != nullptr) *resolved = join(names);
        return std::nullopt;
      }
      if (join(names).size() >= PATH_MAX) throw Error(Errc::invalid, "its directory's path is longer than 4095 bytes");
      mkdir_at(dir.get(), name, 0755);
      made_(join(names));
      dir = open_dir_at(dir.get(), name);
    } else if (next) {
      names.push_back(name);
      dir = std::move(next);
    } else if (errno == ENOTDIR || errno == ELOOP) {
      if (++links > kMaxLinks) throw Error(Errc::invalid, "more than 40 symbolic links are on the way to it");
      const std::string target = link_at(dir.get(), name);
      auto parts = path_components(target);
      ahead.insert(ahead.end(), parts.rbegin(), parts.rend());
      if (target.starts_with('/')) names.clear(), dir = reopen({});
    } else {
      throw_errno("opening the directory '" + printable(name) + "'");
    }
  }
  return LayerDir{std::move(dir), join(names)};
}

}  // namespace cairn
