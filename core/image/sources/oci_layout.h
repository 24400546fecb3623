// An OCI image layout: index.json, manifests and blobs by digest (formats: registry, 7).
#pragma once

#include "core/image/platform.h"
#include "core/image/sources/archive.h"

namespace cairn {

// The images of the layout: each that has a name (annotations io.containerd.image.name, or
// org.opencontainers.image.ref.name read as an image name), and those without; of several for one name the one that
// fits `platform` best. nullopt if there is no index.json. `archive` outlives the items.
std::optional<std::vector<ArchiveItem>> read_oci_layout(const Archive& archive, const Platform& platform);

}  // namespace cairn
