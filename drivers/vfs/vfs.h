// Docker's vfs driver on disk: HOME/dir/ID is a layer's whole tree. Slow, large, and at home on any file system.
#pragma once

#include <filesystem>
#include <memory>

#include "core/interfaces/driver.h"

namespace cairn {

// Below `root`/vfs. Opening makes nothing. Throws Errc::invalid for an option that is not vfs's.
std::unique_ptr<Driver> open_vfs(const std::filesystem::path& root, const DriverOptions& options = {});

}  // namespace cairn
