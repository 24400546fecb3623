// Docker's overlay driver (1.4 to 23), read and mounted only: HOME/ID/root is an image layer's whole tree; a container
// has HOME/ID/{upper,work,lower-id}, where lower-id names the one image layer below.
#pragma once

#include <filesystem>
#include <memory>

#include "core/interfaces/driver.h"

namespace cairn {

// Below `root`/overlay. Throws Errc::invalid for any option: the driver had none that matters for reading.
std::unique_ptr<Driver> open_overlay(const std::filesystem::path& root, const DriverOptions& options = {});

}  // namespace cairn
