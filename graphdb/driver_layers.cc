#include "graphdb/driver_layers.h"

#include <unistd.h>

#include <climits>

#include "core/util/error.h"
#include "core/util/ids.h"
#include "graphdb/util/files.h"
#include "graphdb/util/json.h"

namespace cairn {

struct LayerPath {
  const char* driver;
  const char* before;  // path of a layer: before + id + after
  const char* after;
  mode_t type;
};
constexpr LayerPath kPaths[] = {
    {"vfs", "vfs/dir/", "", S_IFDIR},
    {"aufs", "aufs/diff/", "", S_IFDIR},
    {"overlay", "overlay/", "/root", S_IFDIR},
    {"overlay", "overlay/", "/upper", S_IFDIR},
    {"overlay2", "overlay2/", "/diff", S_IFDIR},
    {"fuse-overlayfs", "fuse-overlayfs/", "/diff", S_IFDIR},
    {"btrfs", "btrfs/subvolumes/", "", S_IFDIR},
    {"devicemapper", "devicemapper/metadata/", "", S_IFREG},
};

static std::set<std::string> read_old_devices(int root_fd) {
  std::set<std::string> out;
  const std::string file = "devicemapper/devicemapper/json";
  try {
    const auto text = try_read_regular_at(root_fd, file);
    if (!text) return out;
    if (const auto devices = JsonObject(*text, file).object("Devices"))
      for (const auto& device : devices->members()) out.insert(device.key);
  } catch (const Error& e) {
    if (e.code() != Errc::corrupt) throw;  // damage: each layer is then reported as missing
  }
  return out;
}

DriverLayers::DriverLayers(int root_fd, std::string driver) : root_fd_(root_fd), driver_(std::move(driver)) {
  if (driver_ == "devicemapper") old_devices_ = read_old_devices(root_fd_);
}

// 0.7 could not always move the layers of earlier versions and left a link to where they lie in the same root.
bool DriverLayers::is_moved_aufs_layer(const std::string& path) const {
  char buffer[PATH_MAX];
  const ssize_t n = ::readlinkat(root_fd_, path.c_str(), buffer, sizeof buffer);
  if (n < 0) return false;
  const std::string_view target(buffer, static_cast<size_t>(n));
  for (const auto& [folder, leaf] : {std::pair("/graph/", "/layer"), std::pair("/containers/", "/rw")}) {
    const size_t at = target.rfind(folder);
    if (at == std::string_view::npos || !target.ends_with(leaf)) continue;
    const std::string_view inside = target.substr(at + 1);
    const size_t from = std::string_view(folder).size() - 1;
    if (!is_hex64(inside.substr(from, inside.size() - from - std::string_view(leaf).size()))) continue;
    const auto st = stat_at(root_fd_, std::string(inside));
    return st && S_ISDIR(st->st_mode);
  }
  return false;
}

bool DriverLayers::has(const std::string& id) const {
  if (old_devices_.contains(id)) return true;
  bool visible = false;
  for (const auto& path : kPaths) {
    if (driver_ != path.driver) continue;
    visible = true;
    const std::string own = path.before + id;
    const auto st = stat_at(root_fd_, own);
    if (!st) continue;
    if (S_ISLNK(st->st_mode)) {
      if (driver_ == "aufs" && is_moved_aufs_layer(own)) return true;
      continue;
    }
    const auto inner = *path.after == '\0' ? st : stat_at(root_fd_, own + path.after);
    if (inner && (inner->st_mode & S_IFMT) == path.type) return true;
  }
  return !visible;
}

}  // namespace cairn
