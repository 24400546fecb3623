// Whether a driver holds a layer, seen from its files alone: no driver is needed, nor a kernel that knows it.
#pragma once

#include <set>
#include <string>

namespace cairn {

class DriverLayers {
 public:
  DriverLayers(int root_fd, std::string driver);  // `root_fd` outlives it

  // True for every id where the driver's layers cannot be seen as files (zfs, plugins). A link in a layer's place is no
  // layer, but for those aufs made into graph/ and containers/.
  bool has(const std::string& id) const;

 private:
  bool is_moved_aufs_layer(const std::string& path) const;

  int root_fd_;
  std::string driver_;
  std::set<std::string> old_devices_;  // devicemapper up to 0.11: one file names all devices
};

}  // namespace cairn
