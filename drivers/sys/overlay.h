// How the kernel's overlayfs is asked to join directories. Pure functions: nothing is read or mounted here, except by
// kernel_overlay_parameters().
//
// Options are one string of at most a page, in which ',' and ':' separate and '\' escapes, by rules that changed with
// kernel 6.5 and again with 6.8. Nothing is ever escaped here: layers are named relative to the driver's home, where
// all names are plain, whenever the home's own path holds one of these characters or is too long for the page.
// Otherwise paths are absolute, as the engine writes them, so that mountinfo tells whose mount it is.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/interfaces/driver.h"
#include "drivers/sys/mount.h"

namespace cairn {

struct OverlayLayers {              // paths below the driver's home
  std::vector<std::string> lowers;  // uppermost first; at least two when there is no `upper`
  std::string upper, work;          // both, or none for a read-only mount
};

// /sys/module/overlay/parameters: '\0' for one this kernel does not have (or overlay is not loaded yet), else 'Y' or
// 'N'.
struct OverlayParameters {
  char index = 0, redirect_dir = 0, redirect_always_follow = 0, metacopy = 0;
};
OverlayParameters kernel_overlay_parameters();

// index=off where known, as the engine asks: the same layer may then be part of several mounts.
// Read-only views follow redirects and metacopies that another kernel left in a layer: one that does not follow them
// shows other content than is there. metacopy=on (4.19) implies redirect_dir=on (4.10), and without an upper directory
// neither creates any. Writable mounts never get metacopy=on: it would leave files that engines with default options
// refuse to open. They get the engine's own options, except where the kernel is told not to follow redirects (4.15).
std::vector<std::string> overlay_options(const OverlayParameters& parameters, Access access);

// Throws Errc::unsupported when not even relative names fit into `page_size`, Errc::invalid for a layer name with one
// of the characters above.
MountSpec overlay_spec(const std::filesystem::path& home, const OverlayLayers& layers,
                       const std::vector<std::string>& options, const std::filesystem::path& target, size_t page_size);

}  // namespace cairn
