// Docker's btrfs driver on disk: HOME/subvolumes/ID is a layer's whole tree, a subvolume or a snapshot of its parent's;
// HOME/quotas/ID a size that the engine limits it to. Nothing is copied but what changes.
#pragma once

#include <filesystem>
#include <memory>

#include "core/interfaces/driver.h"

namespace cairn {

// Below `root`/btrfs. Opening makes nothing, and works on any file system; making layers needs btrfs. Throws
// Errc::unsupported for the options that set quotas, Errc::invalid for those that are not btrfs's.
std::unique_ptr<Driver> open_btrfs(const std::filesystem::path& root, const DriverOptions& options = {});

}  // namespace cairn
