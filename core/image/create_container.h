// Makes a writable layer that somebody mounts and writes into: a container without an engine's configuration.
#pragma once

#include <optional>
#include <string>

#include "core/interfaces/driver.h"
#include "core/interfaces/metadata_store.h"
#include "core/layer/layer_store.h"

namespace cairn {

struct ContainerBase {
  std::optional<ChainId> chain;  // what it lies on
  std::optional<ImageId> image;  // whose layers these are; noted with it, as other images may have the same
};

// `name` becomes layerdb/mounts/<name>, a random id when empty. not_found if the layer or the image is gone.
NewContainer create_container(const std::string& name, const ContainerBase& base, Driver& driver, LayerStore& layers,
                              MetadataStore& metadata);

}  // namespace cairn
