// Docker's devicemapper layout (formats: drivers, 4): thin devices in a pool, in loop files below ROOT/devicemapper or
// on devices named by dm.…; each layer's tree is the directory rootfs of its device's file system. Where the kernel has
// no thin pools, or the pool must not be started (offline_pool.h), layers can be read and nothing else.
#pragma once

#include <filesystem>
#include <memory>

#include "core/interfaces/driver.h"

namespace cairn {

// Reads and makes nothing yet. Errc::invalid for an unknown option.
std::unique_ptr<Driver> open_devicemapper(const std::filesystem::path& root, const DriverOptions& options = {});

}  // namespace cairn
