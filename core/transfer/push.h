// An image on its way from a store to a registry: layers, configuration, manifest, in this order. What the registry has
// is not sent; a blob it has in another repository is mounted.
#pragma once

#include <optional>
#include <string>

#include "core/image/reference.h"
#include "core/interfaces/registry.h"
#include "core/layer/layer_store.h"

namespace cairn {

enum class ManifestFormat { schema2, oci };

struct PushSource {
  LayerStore& layers;
  MetadataStore& metadata;
  Progress& progress;
};

struct PushOptions {
  std::optional<ManifestFormat> format;  // none: that of the manifest the image came with, else schema 2
  unsigned at_once = 1;                  // blobs under way
};

// What engines note of a pushed layer.
struct PushedLayer {
  DiffId diff;
  Digest blob;
};

struct PushedImage {
  Digest digest;
  uint64_t size = 0;     // bytes of the manifest
  std::string manifest;  // exact bytes
  std::vector<PushedLayer> layers;
};

// `as`: a tag or nothing but the digest of what is pushed. Errc::corrupt if the store's files no longer give a layer,
// or the registry names anything otherwise than we do. The store is only read; see note_pushed().
PushedImage push_image(const ImageId& image, RemoteRepository& to, const std::string& tag, const PushSource& from,
                       const PushOptions& options);

// Records what was pushed, as engines do, so that nobody sends it again: blobs, the digest's name, the manifest.
// Errc::in_use if an engine runs on the store.
void note_pushed(const PushedImage& pushed, const ImageId& image, const Reference& name, const RemoteRepository& to,
                 LayerStore& layers, MetadataStore& metadata);

}  // namespace cairn
