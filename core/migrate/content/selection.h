// What of a content-addressed root a migration is about: images, the layers they and the containers need, containers.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/migrate/migrate.h"

namespace cairn {

struct ContentImage {
  ImageId id;
  std::optional<ChainId> top;     // none for an image without layers
  std::vector<std::string> tags;  // familiar references
  std::string error;              // why it cannot come over: "" if it can
};

struct ContentContainer {
  std::string id, name, image;      // name as in its configuration, "/web"; image: "" where its configuration has none
  std::optional<MountRecord> mount;  // none: only its configuration is there
  std::string error;
};

struct ContentSelection {
  std::vector<ContentImage> images;
  std::vector<LayerRecord> layers;  // parents first, no other than somebody needs
  std::vector<ContentContainer> containers;
  std::vector<Damage> damage;
};

// Throws not_found if an id in `options.images` is not in the source.
ContentSelection select(const ContentSource& source, const MigrateOptions& options);

}  // namespace cairn
