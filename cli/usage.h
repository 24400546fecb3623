// Whose layers take how much disk space.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "cli/objects.h"

namespace cairn {

struct ImageUsage {
  CatalogImage image;
  uint64_t shared = 0, unique = 0;  // of its layers: those other images have too, and those only it has
  uint64_t containers = 0;          // made from it
};
struct ContainerUsage {
  CatalogContainer container;
  uint64_t size = 0;  // its writable layer and init layer
};
struct Total {
  uint64_t count = 0, active = 0, size = 0, reclaimable = 0;
};
struct StoreUsage {
  std::vector<ImageUsage> images;
  std::vector<ContainerUsage> containers;
  // Active images have containers; reclaimable is what goes when all others go. Active containers run. Other layers
  // serve no image and no container: those that are registered are active, and the rest is reclaimable, unless the
  // engine's builder keeps its own there.
  Total all_images, all_containers, other_layers;
};

StoreUsage measure(const Store& store, const Objects& objects, unsigned jobs);

}  // namespace cairn
