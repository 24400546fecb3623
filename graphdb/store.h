// The content-addressed layout of Docker 1.10 and later, one driver's part of it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "core/interfaces/metadata_store.h"

namespace cairn {

// Creates nothing and never fails for what is absent; Errc::invalid for a driver name that cannot be a directory's.
std::unique_ptr<MetadataStore> open_metadata(const std::filesystem::path& root, const std::string& driver);

// Drivers with an image/DRIVER that holds an imagedb or a layerdb, sorted; plugins' names may have a '/'. Empty without
// a root.
std::vector<std::string> content_drivers(const std::filesystem::path& root);

}  // namespace cairn
