// One thin device as a file: a sparse copy of the blocks that the pool's metadata names.
#pragma once

#include <cstdint>

#include "core/util/fd.h"
#include "drivers/devicemapper/thin_metadata.h"

namespace cairn::devicemapper {

// `bytes` is the device's size; what lies beyond it is left out. The file has no name, so that no crash leaves one: it
// is in TMPDIR or else /var/tmp, and shares the blocks of `data` where the file system can (one for both, xfs or
// btrfs). Blocks of zeros become holes. Throws corrupt where the metadata is, or names blocks that `data` does not
// have; no_space.
Fd make_thin_image(const ThinMetadata& metadata, uint64_t device, uint64_t bytes, int data);

}  // namespace cairn::devicemapper
