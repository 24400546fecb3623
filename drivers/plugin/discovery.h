// Where plugins are found, and what may be one's name.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

namespace cairn::plugin {

struct Places {
  std::filesystem::path sockets = "/run/docker/plugins";  // NAME.sock, NAME/NAME.sock
  std::vector<std::filesystem::path> specs = {"/etc/docker/plugins",
                                              "/usr/lib/docker/plugins"};  // NAME.spec, NAME.json
  std::filesystem::path mounts = "/run/cairn/plugin-mounts";               // what stays mounted after a process of ours
};

struct Address {
  std::string name;  // also the directories' below a root
  std::filesystem::path socket;
};

// Not one that engines give something else in a root.
bool may_be_plugin(const std::string& name);
// Of "NAME" or "/path/to/NAME.sock". Throws Errc::invalid for what may not become a directory of a store.
std::string name_of(const std::string& plugin);

// Throws not_found naming the places, unsupported for an address that is no unix socket.
Address locate(const std::string& plugin, const Places& places);

// Names of all that lies in these places, sorted; of whatever kind the plugins are.
std::vector<std::string> discovered(const Places& places);

}  // namespace cairn::plugin
