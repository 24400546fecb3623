// Opens roots. wiring.cc is the one file of the program that names implementations.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "cli/globals.h"
#include "cli/migration_sides.h"
#include "cli/store.h"
#include "core/layer/layer_store.h"
#include "graphdb/scan/scan.h"

namespace cairn {

// A store to look at; nothing is made or changed. UserError if there is no such root, or several drivers and none
// named.
Store open_to_read(const Globals& globals);

// A store to write: no engine holds it, it is of the content-addressed layout (made if the root is empty), and what
// crashed processes left is cleared. Says at once if this is not root.
enum class IfAbsent { make, refuse };
Store open_to_write(const Globals& globals, Progress& progress, IfAbsent if_absent);

// Answers engines on the unix socket until `stop`. Errc::in_use if another program does.
void serve_driver(const Globals& globals, const std::string& socket, const std::function<bool()>& stop);

// What `target` showed is no longer needed.
void after_unmount(const std::string& target);

LayerStore layers_of(const Store& store, const Globals& globals, Progress& progress);

// The stores in a root: of the current layout first, then graphs. Half-migrated roots have both of one driver.
struct StoreName {
  std::string driver;
  bool graph = false;
};
std::vector<StoreName> stores_in(const std::string& root);
// `options`: of the driver, "dm.fs=xfs".
MigrationPart open_part(const std::string& root, const StoreName& name, std::vector<std::string> options);

// The store a migration writes; nothing is made yet. Errc::in_use if an engine has `engine_root`.
Store open_target(const Globals& globals, const std::string& engine_root);

Fd open_root(const std::string& root);  // UserError if there is none
std::filesystem::path without_trailing_slash(const std::string& path);
std::string name_in_root(const std::string& driver);  // what a driver is called below image/

// Would a store of that driver, one of those cairn has, work at `root`, where none is yet? Writes nothing.
DriverStatus probe_new_store(const std::string& driver, const std::filesystem::path& root);

struct DriverReport {
  std::string name;
  DriverStatus status;
  uint64_t images = 0;  // in the root
};
std::vector<DriverReport> probe_drivers(const Globals& globals);

}  // namespace cairn
