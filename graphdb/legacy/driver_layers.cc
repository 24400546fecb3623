#include "graphdb/legacy/driver_layers.h"

#include <algorithm>

#include "core/util/error.h"
#include "core/util/ids.h"
#include "graphdb/legacy/legacy_graph.h"
#include "graphdb/util/files.h"
#include "graphdb/util/json.h"

namespace cairn {

struct LayerPath {
  const char* driver;
  const char* before;  // path of a layer: before + id + after
  const char* after;
};
constexpr LayerPath kPlaces[] = {
    {"vfs", "vfs/dir/", ""},
    {"aufs", "aufs/diff/", ""},
    {"overlay", "overlay/", "/root"},
    {"overlay", "overlay/", "/upper"},
    {"btrfs", "btrfs/subvolumes/", ""},
    {"devicemapper", "devicemapper/metadata/", ""},
};

const std::vector<std::string>& DriverLayers::visible_drivers() {
  static const std::vector<std::string> names = {"aufs", "btrfs", "devicemapper", "overlay", "vfs"};
  return names;
}

static std::set<std::string> read_old_devices(int root_fd) {
  std::set<std::string> out;
  const std::string file = "devicemapper/devicemapper/json";
  try {
    const auto text = try_read_regular_at(root_fd, file);
    if (!text) return out;
    if (const auto devices = JsonObject(*text, file).object("Devices"))
      for (const auto& device : devices->members()) out.insert(device.key);
  } catch (const Error& e) {
    if (e.code() != Errc::corrupt && e.code() != Errc::io) throw;  // damage: each layer is then reported as missing
  }
  return out;
}

DriverLayers::DriverLayers(int root_fd, std::string driver) : root_fd_(root_fd), driver_(std::move(driver)) {
  if (driver_ == "devicemapper") old_devices_ = read_old_devices(root_fd_);
}

bool DriverLayers::has(const std::string& id) const {
  if (old_devices_.contains(id)) return true;
  bool visible = false;
  for (const auto& place : kPlaces) {
    if (driver_ != place.driver) continue;
    visible = true;
    struct stat st;  // links are followed: aufs has some into graph/ and containers/
    if (::fstatat(root_fd_, (place.before + id + place.after).c_str(), &st, 0) == 0) return true;
  }
  return !visible;
}

static std::vector<std::string> hex_names(int root_fd, const std::string& folder) {
  std::vector<std::string> out;
  const auto dir = try_open_dir(root_fd, folder);
  if (!dir) return out;
  for (auto& name : list_dir(dir->get()))
    if (is_hex64(name)) out.push_back(std::move(name));
  return out;
}

std::vector<std::string> graph_ids(int root_fd) { return hex_names(root_fd, "graph"); }
std::vector<std::string> container_ids(int root_fd) { return hex_names(root_fd, "containers"); }

static std::set<std::string> volume_ids(int root_fd) {
  const auto ids = hex_names(root_fd, "volumes");
  return {ids.begin(), ids.end()};
}

std::vector<std::string> legacy_drivers(const std::filesystem::path& root) {
  std::set<std::string> found;
  const Fd root_fd = open_dir(root.string());
  if (!try_open_dir(root_fd.get(), "graph")) return {};
  constexpr std::string_view prefix = "repositories-";
  for (const auto& name : list_dir(root_fd.get()))
    if (name.starts_with(prefix) && valid_name(name.substr(prefix.size()))) found.insert(name.substr(prefix.size()));

  auto ids = graph_ids(root_fd.get());
  const auto containers = container_ids(root_fd.get());
  ids.insert(ids.end(), containers.begin(), containers.end());
  const auto volumes = volume_ids(root_fd.get());
  for (const auto& driver : DriverLayers::visible_drivers()) {
    const DriverLayers layers(root_fd.get(), driver);
    if (std::any_of(ids.begin(), ids.end(), [&](const std::string& id) {
          return !(driver == "vfs" && volumes.contains(id)) && layers.has(id);
        }))
      found.insert(driver);
  }
  return {found.begin(), found.end()};
}

}  // namespace cairn
