// Docker's overlay2 driver on disk: HOME/ID/{diff,link,lower,work,committed} and the short names HOME/l/LINK ->
// ../ID/diff.
#pragma once

#include <filesystem>
#include <memory>

#include "core/interfaces/driver.h"

namespace cairn {

// Below `root`/overlay2. Opening makes nothing. Throws Errc::invalid for an option that is not overlay2's.
std::unique_ptr<Driver> open_overlay2(const std::filesystem::path& root, const DriverOptions& options = {});

}  // namespace cairn
