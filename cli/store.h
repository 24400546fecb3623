// A root opened for one driver. Made by wiring.h; everything else in cli/ works with this and names no implementation.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "core/interfaces/catalog.h"
#include "core/interfaces/driver.h"
#include "core/interfaces/metadata_store.h"
#include "core/util/fd.h"

namespace cairn {

struct Store {
  std::filesystem::path root;
  std::string driver_name;
  Fd root_fd;
  std::unique_ptr<Driver> driver;
  std::unique_ptr<MetadataStore> metadata;  // reads as empty in a root of Docker 0.7 to 1.9
  std::unique_ptr<Catalog> catalog;         // whatever the layout

  bool is_legacy() const { return catalog->layout() == "graph"; }
};

}  // namespace cairn
