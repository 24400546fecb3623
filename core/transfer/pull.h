// An image on its way from a registry into a store: manifest, configuration, layers, names, in this order; each is
// checked before anything is named.
#pragma once

#include <string>

#include "core/image/platform.h"
#include "core/image/reference.h"
#include "core/interfaces/registry.h"
#include "core/layer/layer_store.h"

namespace cairn {

struct PullTarget {
  LayerStore& layers;
  Driver& driver;
  MetadataStore& metadata;  // prepared and recovered
  Progress& progress;
};

struct PullOptions {
  Platform platform = host_platform();
  bool any_platform = true;  // an image that is made for one platform only is taken whatever that is
  unsigned at_once = 1;      // blobs under way
};

struct PulledImage {
  ImageId id;
  Digest digest;  // of what the name stands for: a manifest, or an index of several
  Reference name;
  bool changed = false;  // the name was new, or on another image
};

// Errc::not_found where the registry or the index has no such image; Errc::corrupt where bytes do not have the digest
// they are named by, or parts do not fit each other; Errc::unsupported for what is no image that runs on Linux.
PulledImage pull_image(RemoteRepository& from, const Reference& reference, const PullTarget& into,
                       const PullOptions& options);

}  // namespace cairn
