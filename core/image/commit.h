// Makes an image of what was changed in a container, as docker commit does.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/image/config_json.h"
#include "core/interfaces/driver.h"
#include "core/interfaces/metadata_store.h"
#include "core/layer/layer_store.h"

namespace cairn {

struct CommitOptions {
  std::string author, message;
  std::string created;               // RFC 3339
  std::vector<std::string> changes;  // see apply_instructions()
};

struct CommitSource {
  std::string id;                     // of the container
  MountRecord mount;                  // its writable layer
  std::optional<ImageId> image;       // what it was made from; none if that is gone, and its history with it
  std::optional<std::string> config;  // "Config" of config.v2.json; without it, that of the image
};

// How the container is run: what the changes are applied to.
RunConfig config_before(const CommitSource& source, MetadataStore& metadata);

// The image's layer is what differs between the container and what it lies on, without what engines put into every
// container; where nothing does, there is none. Errc::corrupt if the container does not lie on its image.
ImageId commit_container(const CommitSource& source, const CommitOptions& options, Driver& driver, LayerStore& layers,
                         MetadataStore& metadata);

}  // namespace cairn
