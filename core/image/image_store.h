// Images as users name them and as the store takes them.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/digest/digest.h"
#include "core/interfaces/catalog.h"
#include "core/interfaces/metadata_store.h"
#include "core/layer/layer_store.h"

namespace cairn {

// What `reference` means: a full ID, "name[:tag][@digest]", or the beginning of one ID ("sha256:" optional), in this
// order. nullptr if nothing; Errc::invalid, listing the candidates, when an ID's beginning fits several.
const CatalogImage* find_image(std::span<const CatalogImage> images, const std::string& reference);
// The same; Errc::not_found if nothing.
const CatalogImage& resolve_image(std::span<const CatalogImage> images, const std::string& reference);

// By full ID, name (with or without '/'), or the beginning of one ID.
const CatalogContainer* find_container(std::span<const CatalogContainer> containers, const std::string& reference);
const CatalogContainer& resolve_container(std::span<const CatalogContainer> containers, const std::string& reference);

// What a configuration says that a store must know.
struct ImageConfig {
  std::vector<DiffId> diff_ids;
  std::string os, architecture, variant;
  std::vector<std::string> history;  // raw JSON, oldest first
};
// Errc::corrupt where Docker would refuse to create an image of it: no JSON, no rootfs, bad DiffIDs, more history of
// layers than layers. Errc::unsupported for layers that lie on a foreign base.
ImageConfig read_image_config(const std::string& config);

std::optional<ChainId> top_chain(std::span<const DiffId> diff_ids);

// Stores the configuration of an image whose layers are registered; Errc::not_found if one is not, or was removed again
// meanwhile.
ImageId create_image(LayerStore& layers, MetadataStore& metadata, const std::string& config);

}  // namespace cairn
