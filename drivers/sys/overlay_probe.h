// Whether overlayfs works where a driver keeps its layers.
#pragma once

#include "core/interfaces/driver.h"
#include "drivers/sys/home.h"

namespace cairn {

// Found out by trying: file types in listings (d_type), whiteouts, opaque marks, a mount.
DriverStatus probe_overlay(const LayerHome& layers);

}  // namespace cairn
