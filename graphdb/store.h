// The content-addressed layout of Docker 1.10 and later, one driver's part of it.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "core/interfaces/metadata_store.h"

namespace cairn {

// Creates nothing and never fails for what is absent; Errc::invalid for a driver name that cannot be a directory's.
std::unique_ptr<MetadataStore> open_metadata(const std::filesystem::path& root, const std::string& driver);

}  // namespace cairn
