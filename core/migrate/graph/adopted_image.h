// An image of a graph that is in the target already: an earlier run, or an engine, migrated it.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/interfaces/metadata_store.h"

namespace cairn {

struct AdoptedImage {
  ImageId id;
  std::vector<DiffId> diffs;
  std::vector<std::string> history;  // elements of its configuration's, as images built on it have them
  LayerRecord top;
};

// nullopt where its configuration or one of its layers is damaged or missing.
std::optional<AdoptedImage> adopt_image(MetadataStore& target, const ImageId& id);

}  // namespace cairn
