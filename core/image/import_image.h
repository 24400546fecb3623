// Makes an image of a root file system's tar, as docker import does.
#pragma once

#include <memory>
#include <string>

#include "core/image/config_json.h"
#include "core/image/platform.h"
#include "core/interfaces/metadata_store.h"
#include "core/layer/layer_store.h"

namespace cairn {

struct ImportOptions {
  Platform platform = host_platform();
  std::string created;  // RFC 3339
  std::string message;  // "" for Docker's own
  RunConfig config;     // see apply_instructions()
  std::string label;    // of the tar, for progress and messages
};

// `tar`: in any compression. One layer, made durable and published before the image. Errc::invalid for a tar
// of no bytes at all, which some other program failed to make.
ImageId import_image(std::unique_ptr<ByteSource> tar, const ImportOptions& options, LayerStore& layers,
                     MetadataStore& metadata);

}  // namespace cairn
