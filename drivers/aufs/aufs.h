// Docker's aufs driver on disk: HOME/diff/ID (content), HOME/layers/ID (the ids below it, nearest first) and
// HOME/mnt/ID (an empty mount point). Reading, making, removing and read-only mounts need no aufs in the kernel.
#pragma once

#include <filesystem>
#include <memory>

#include "core/interfaces/driver.h"

namespace cairn {

// Below `root`/aufs. Opening makes nothing. Throws Errc::invalid for any storage option: aufs has none.
std::unique_ptr<Driver> open_aufs(const std::filesystem::path& root, const DriverOptions& options = {});

}  // namespace cairn
