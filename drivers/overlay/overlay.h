// Docker's overlay driver (1.4 to 23): HOME/ID/root is an image layer's whole tree, made of hard links to its parent's
// files; a container has HOME/ID/{upper,work,lower-id}, where lower-id names the one image layer below.
#pragma once

#include <filesystem>
#include <memory>

#include "core/interfaces/driver.h"

namespace cairn {

// Below `root`/overlay. Throws Errc::invalid for any option: the driver has none.
std::unique_ptr<Driver> open_overlay(const std::filesystem::path& root, const DriverOptions& options = {});

}  // namespace cairn
