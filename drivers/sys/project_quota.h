// How much a directory may hold, by project quotas (xfs mounted with pquota, ext4 with prjquota), as the engine uses
// them.
#pragma once

#include <cstdint>

namespace cairn {

// The empty directory `dir`, a child of `home`, and all that will be in it, become a project of their own, of `bytes`
// at most. Leaves in `home` the block device node "backingFsBlockDev", through which the kernel is told. Throws
// unsupported where the file system keeps no such quotas.
void limit_directory(int home, int dir, uint64_t bytes);

}  // namespace cairn
