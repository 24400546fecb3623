// Loads images from archives: docker-archives of all ages, OCI layouts as a directory or a tar, in any outer
// compression, from a file, a directory or a pipe.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "core/image/platform.h"
#include "core/interfaces/metadata_store.h"
#include "core/interfaces/progress.h"
#include "core/layer/layer_store.h"
#include "core/util/error.h"
#include "core/util/fd.h"

namespace cairn {

struct LoadInput {
  Fd fd;                                // read from its current offset; a directory is an unpacked archive
  std::string name;                     // for messages
  Platform platform = host_platform();  // what to take of an image made for several
};
LoadInput open_load_input(const std::string& path);  // "-" is standard input

struct LoadedImage {
  ImageId id;
  std::vector<std::string> tags;  // familiar
};
struct FailedImage {
  std::string label, error;
  Errc code;
};
struct LoadResult {
  std::vector<LoadedImage> images;
  std::vector<FailedImage> failed;         // the others were loaded all the same
  std::vector<std::string> lines() const;  // "Loaded image: busybox:latest", as docker load prints them
};

// Layers are durable and published first, then configurations, then names; a name that exists moves. Throws when
// nothing could be loaded. The store has been prepared and recovered.
LoadResult load_image_archive(LoadInput input, LayerStore& layers, MetadataStore& metadata, Progress& progress);

}  // namespace cairn
