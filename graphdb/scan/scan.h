// What a root is: which engines and drivers left what in it, how large that is, and what is damaged. Nothing is
// written.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/interfaces/metadata_store.h"

namespace cairn {

struct DriverScan {
  std::string name;
  std::string layout;                                         // "graph" or "content-addressed"
  uint64_t images = 0, layers = 0, containers = 0;            // what an engine would find usable
  uint64_t taken_over_images = 0, taken_over_containers = 0;  // those of a graph that a later engine has migrated
  uint64_t bytes = 0;  // disk space of the driver's layers, hard links counted once
  std::map<std::string, std::map<std::string, std::string>> repositories;  // as in the file
  std::vector<Damage> damage;
};

struct RootScan {
  std::string root;
  std::string layout;                 // "graph", "content-addressed", "mixed" or "empty"
  std::vector<DriverScan> drivers;    // content-addressed ones first; a driver of both layouts is there twice
  std::string engine;                 // "1.8 to 1.9", "23.0 or later"; "" when nothing tells
  std::vector<std::string> evidence;  // why: "engine-id: 23.0 or later"
  std::vector<std::string>
      remapped;                    // names of roots of engines with user namespaces, "100000.100000", inside this one
  std::vector<std::string> hints;  // what else lies here and how to get at it, one sentence each
};

struct ScanOptions {
  unsigned jobs = 1;
  bool measure = true;  // walk the drivers' directories for `bytes`
};

// Names of directories in a root that are roots of engines with user namespaces, sorted.
std::vector<std::string> remapped_roots_in(int root_fd);

// not_found if there is no such directory. What cannot be read of a driver is damage of that driver.
// Kinds of damage: those of open_catalog and open_legacy, and: driver-unreadable usage-unreadable layer-chain-mismatch
// tar-split-missing tar-split-empty driver-layer-missing overlay2-{link,lower}-{missing,empty,invalid,dangling}.
RootScan scan_root(const std::filesystem::path& root, const ScanOptions& options);

}  // namespace cairn
