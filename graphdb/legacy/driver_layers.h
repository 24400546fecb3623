// Whether a driver of 0.7 to 1.9 holds a layer, seen from its files alone.
#pragma once

#include <set>
#include <string>
#include <vector>

namespace cairn {

class DriverLayers {
 public:
  DriverLayers(int root_fd, std::string driver);  // `root_fd` outlives it
  // True for every id where the driver's layers cannot be seen as files (zfs, plugins).
  bool has(const std::string& id) const;
  static const std::vector<std::string>& visible_drivers();  // those whose layers can be seen

 private:
  int root_fd_;
  std::string driver_;
  std::set<std::string> old_devices_;  // devicemapper up to 0.11: one file names all devices
};

// 64-hex names in graph/ and containers/ of a root.
std::vector<std::string> graph_ids(int root_fd);
std::vector<std::string> container_ids(int root_fd);

}  // namespace cairn
