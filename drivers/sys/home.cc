#include "drivers/sys/home.h"

#include <algorithm>

#include "core/util/error.h"
#include "core/util/take_group.h"
#include "drivers/sys/mount_table.h"

namespace cairn {

namespace fs = std::filesystem;

static constexpr std::string_view kStage = ".cairn-";

LayerHome::LayerHome(const fs::path& root, std::string path, mode_t mode, std::vector<std::string> reserved)
    : root_(fs::absolute(root)), path_(std::move(path)), mode_(mode), reserved_(std::move(reserved)) {}

std::optional<int> LayerHome::try_fd() const {
  const std::lock_guard lock(mutex_);
  if (fd_) return fd_.get();
  auto opened = try_open_at(AT_FDCWD, root_ / path_, O_RDONLY | O_DIRECTORY);
  if (!opened) return std::nullopt;
  fd_ = std::move(*opened);
  return fd_.get();
}

int LayerHome::fd() const {
  if (const auto fd = try_fd()) return *fd;
  throw Error(Errc::not_found, "opening '" + printable((root_ / path_).string()) + "': there is no such directory");
}

int LayerHome::make() {
  if (const auto fd = try_fd()) return *fd;
  {
    const std::lock_guard lock(mutex_);
    ensure_dirs_at(AT_FDCWD, root_.parent_path(), 0755);
    ensure_dir_at(AT_FDCWD, root_, 0710);
    Fd at = open_dir(root_);
    for (const auto& part : fs::path(path_)) {
      const bool made = ensure_dir_at(at.get(), part, mode_);
      Fd next = open_at(at.get(), part, O_RDONLY | O_DIRECTORY);
      if (made) take_group(next.get(), at.get());
      at = std::move(next);
    }
  }
  return fd();
}

Fd LayerHome::nearest() const {
  for (fs::path path = root_ / path_;; path = path.parent_path())
    if (auto fd = try_open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY); fd || path == path.parent_path())
      return std::move(fd.value());
}

fs::path LayerHome::path() const { return path_of(fd()); }

bool LayerHome::reserves(std::string_view name) const {
  return std::find(reserved_.begin(), reserved_.end(), name) != reserved_.end();
}

void LayerHome::refuse_reserved(const LayerId& id) const {
  if (reserves(id.str()))
    throw Error(Errc::invalid, "opening the layer '" + id.str() + "': the driver keeps something else under this name");
}

bool LayerHome::exists(const LayerId& id) const {
  refuse_reserved(id);
  const auto home = try_fd();
  if (!home) return false;
  const auto st = stat_at(*home, id.str());
  return st && S_ISDIR(st->st_mode);
}

std::vector<LayerId> LayerHome::list() const {
  std::vector<LayerId> out;
  const auto home = try_fd();
  if (!home) return out;
  for (const auto& entry : list_dir(*home)) {
    const std::string name = entry.starts_with(kStage) ? entry.substr(kStage.size()) : entry;
    if (!LayerId::valid(name) || reserves(name)) continue;
    const auto st = stat_at(*home, entry);
    if (st && S_ISDIR(st->st_mode)) out.emplace_back(name);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

Fd LayerHome::open(const LayerId& id) const {
  if (!exists(id))
    throw Error(Errc::not_found, "opening the layer '" + id.str() + "': there is no such layer in '" +
                                     printable((root_ / path_).string()) + "'");
  return open_dir_at(fd(), id.str());
}

Fd LayerHome::begin(const LayerId& id, mode_t mode) {
  if (exists(id) || exists_at(make(), stage_name(id)))
    throw Error(Errc::already_exists, "making the layer '" + id.str() + "': it exists already");
  mkdir_at(fd(), stage_name(id), mode);
  Fd stage = open_dir_at(fd(), stage_name(id));
  take_group(stage.get(), fd());
  return stage;
}

std::optional<Fd> LayerHome::reopen(const LayerId& id) const {
  const auto home = try_fd();
  return home ? try_open_at(*home, stage_name(id), O_RDONLY | O_DIRECTORY | O_NOFOLLOW) : std::nullopt;
}

void LayerHome::publish(const LayerId& id) const {
  const std::string stage = stage_name(id);
  // No replacing: an empty directory of that name would be taken over silently.
  if (::renameat2(fd(), stage.c_str(), fd(), id.str().c_str(), RENAME_NOREPLACE) == 0) return;
  if (errno == EINVAL && !exists(id) && ::renameat(fd(), stage.c_str(), fd(), id.str().c_str()) == 0) return;
  throw_errno("making the layer '" + id.str() + "'");
}

std::optional<std::string> LayerHome::unpublish(const LayerId& id) const {
  const auto home = try_fd();
  if (!home) return std::nullopt;
  const std::string stage = stage_name(id);
  if (exists(id)) {
    remove_tree_at(*home, stage);
    if (::renameat(*home, id.str().c_str(), *home, stage.c_str()) != 0)
      throw_errno("removing the layer '" + id.str() + "'");
  }
  return exists_at(*home, stage) ? std::optional(stage) : std::nullopt;
}

void LayerHome::discard(const LayerId& id) const {
  if (const auto home = try_fd()) remove_tree_at(*home, stage_name(id));
}

static bool same_directory(const fs::path& path, const struct stat& dir) {
  const auto st = stat_at(AT_FDCWD, path);
  return !st || (st->st_dev == dir.st_dev && st->st_ino == dir.st_ino);  // what cannot be looked at may well be it
}

// A bind mount shows the very inode. Only likely ones are looked at: a dead network mount would hang us.
static bool shows(const Mounted& mounted, const std::string& name, const struct stat& dir) {
  return mounted.root.ends_with("/" + name) && same_directory(mounted.target, dir);
}

std::optional<fs::path> bound_on(const LayerHome& home, const std::string& relative) {
  struct stat dir;
  if (::fstatat(home.fd(), relative.c_str(), &dir, 0) != 0) return std::nullopt;
  for (const auto& one : mount_table())
    if (shows(one, relative, dir)) return one.target;
  return std::nullopt;
}

std::optional<fs::path> mounted_on(const LayerHome& home, const std::string& layer_dir,
                                   const std::vector<std::string>& relative) {
  const auto table = mount_table();
  const fs::path base = home.path();
  if (const auto below = mounted_below(table, base / layer_dir); !below.empty()) return below[0].target;
  for (const auto& name : relative) {
    struct stat dir;
    if (::fstatat(home.fd(), name.c_str(), &dir, 0) != 0) continue;
    for (const auto& one : table) {
      if (shows(one, name, dir)) return one.target;
      if (one.type != "overlay") continue;
      for (const auto& branch : overlay_branches(one.options))
        if (branch == name || (branch.ends_with("/" + name) && same_directory(branch + "/.", dir))) return one.target;
    }
  }
  return std::nullopt;
}

void throw_mounted(const fs::path& target) {
  throw Error(Errc::in_use, "it is mounted on '" + printable(target.string()) + "'; unmount that first");
}

}  // namespace cairn
