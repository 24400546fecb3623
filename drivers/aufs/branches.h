// How the kernel's aufs is asked to join directories, exactly as the engine asks. Pure functions.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/interfaces/driver.h"
#include "core/util/ids.h"
#include "drivers/sys/mount.h"

namespace cairn::aufs {

inline constexpr size_t kMaxBranches = 127;  // the kernel's limit

// The first mount, and the remounts that append the branches for which its page of options has no room. Branches are
// absolute paths below `home`, or relative to it where its path has a character that separates options. Throws
// Errc::unsupported for more than kMaxBranches, or when no page holds a single path.
std::vector<MountSpec> mount_steps(const std::filesystem::path& home, const LayerId& id,
                                   const std::vector<LayerId>& parents, Access access,
                                   const std::filesystem::path& target, size_t page_size, bool dirperm1);

}  // namespace cairn::aufs
