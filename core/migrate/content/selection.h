// What of a content-addressed root a migration is about: images, the layers they and the containers need, containers.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/migrate/migrate.h"
#include "core/migrate/source_trees.h"

namespace cairn {

struct ContentImage {
  ImageId id;
  std::optional<ChainId> top;     // none for an image without layers
  std::vector<std::string> tags;  // familiar references
  std::string error;              // why it cannot come over: "" if it can
};

enum class TarSplit {
  recorded,  // the source's
  rebuilt,   // by a fresh tar, which has the DiffID in some form
  none,
};

struct ContentLayer {
  LayerRecord record;
  TarSplit tar_split = TarSplit::recorded;
  TarForm form{};  // of what is rebuilt
};

struct ContentContainer {
  std::string id, name, image;       // name as in its configuration, "/web"; image: "" where its configuration has none
  std::optional<MountRecord> mount;  // none: only its configuration is there
  std::optional<LayerId> image_layer;  // of the source, that its writable layers lie on
  bool host_config_lost = false;       // there, and of no use to an engine
  std::string error;
};

struct ContentSelection {
  explicit ContentSelection(const ContentSource& source) : trees(source.driver, source.root) {}
  std::vector<ContentImage> images;
  std::vector<ContentLayer> layers;  // parents first, no other than somebody needs
  std::vector<ContentContainer> containers;
  SourceTrees trees;  // of the layers, and of the containers' writable ones
  std::vector<Damage> damage;
  std::vector<MigratedState> left_over;  // directories and writable layers that nothing refers to
};

// Throws not_found if an id in `options.images` is not in the source.
ContentSelection select(const ContentSource& source, const MigrateOptions& options);

}  // namespace cairn
