// What a catalog needs of an image configuration of 1.10 and later.
#pragma once

#include <string>
#include <vector>

#include "core/digest/digest.h"
#include "core/interfaces/catalog.h"

namespace cairn {

struct CatalogImageConfig {
  std::string created;
  std::vector<DiffId> diff_ids;
  std::vector<CatalogHistory> history;  // oldest first, sizes not filled in

  std::optional<ChainId> chain() const;  // none for an image without layers
};

// Errc::corrupt for what an engine refuses to load: no JSON, no rootfs, a DiffID that is none, more history than
// layers.
CatalogImageConfig parse_image_config(const std::string& text, const std::string& what);

}  // namespace cairn
