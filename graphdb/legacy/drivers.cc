#include "graphdb/legacy/drivers.h"

#include <algorithm>
#include <set>

#include "core/util/ids.h"
#include "graphdb/driver_layers.h"
#include "graphdb/legacy/legacy_graph.h"
#include "graphdb/util/files.h"

namespace cairn {

const std::vector<std::string>& visible_legacy_drivers() {
  static const std::vector<std::string> names = {"aufs", "btrfs", "devicemapper", "overlay", "vfs"};
  return names;
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

// What `driver` holds are the layers of a later engine, which may have taken over the ids.
static bool belongs_to_content(int root_fd, const std::string& driver) {
  return exists_at(root_fd, "image/" + driver + "/layerdb");
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
  const auto volumes = hex_names(root_fd.get(), "volumes");
  for (const auto& driver : visible_legacy_drivers()) {
    if (found.contains(driver) || belongs_to_content(root_fd.get(), driver)) continue;
    const DriverLayers layers(root_fd.get(), driver);
    const auto is_layer = [&](const std::string& id) {
      const bool volume = driver == "vfs" && std::binary_search(volumes.begin(), volumes.end(), id);
      return !volume && layers.has(id);
    };
    if (std::any_of(ids.begin(), ids.end(), is_layer)) found.insert(driver);
  }
  return {found.begin(), found.end()};
}

}  // namespace cairn
