// What `docker save` of 1.10 and later writes, and skopeo's and podman's docker-archive: manifest.json names
// configurations and layers (formats: registry, 6).
#pragma once

#include "core/image/sources/archive.h"

namespace cairn {

// nullopt if the archive has no manifest.json. Errc::corrupt if it is none. `archive` outlives the items.
std::optional<std::vector<ArchiveItem>> read_docker_archive(const Archive& archive);

}  // namespace cairn
