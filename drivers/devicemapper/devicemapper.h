// Docker's devicemapper layout (formats: drivers, 4): thin devices in a pool, in loop files below ROOT/devicemapper or
// on devices named by dm.…; each layer's tree is the directory rootfs of its device's file system.
#pragma once

#include <filesystem>
#include <memory>

#include "core/interfaces/driver.h"

namespace cairn {

// Reads and makes nothing yet. Errc::invalid for an unknown option.
std::unique_ptr<Driver> open_devicemapper(const std::filesystem::path& root, const DriverOptions& options = {});

}  // namespace cairn
