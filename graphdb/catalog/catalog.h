// Both layouts as the commands see them. Nothing is written.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "core/interfaces/catalog.h"

namespace cairn {

// Docker 1.10 and later. Shown is what an engine would load: an image whose configuration or layers are damaged is
// damage instead. Containers whose writable layer or image is lost are shown without it, and are damage too. A writable
// layer without a container is shown as one (made by `cairn create`): its id is the driver layer's. Without `damage`,
// an unreadable repositories.json is thrown as Errc::corrupt. Kinds of damage: those of LayerMetadata;
// image-hash-mismatch image-config-invalid image-layer-missing repositories-invalid reference-dangling
// container-config-invalid container-id-mismatch container-mount-missing container-layer-missing.
std::unique_ptr<Catalog> open_catalog(const std::filesystem::path& root, const std::string& driver);

// Docker 0.7 to 1.9. Kinds of damage: those of open_legacy. Containers of other drivers are not shown.
std::unique_ptr<Catalog> open_legacy_catalog(const std::filesystem::path& root, const std::string& driver);

}  // namespace cairn
