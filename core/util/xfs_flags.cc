#include "core/util/xfs_flags.h"

#include <sys/ioctl.h>

namespace cairn {

// struct xfs_fsop_geom_v1 and XFS_IOC_FSGEOMETRY_V1 of xfs's own header, which is not among the kernel's.
struct XfsGeometry {
  uint32_t before[8];
  uint64_t blocks[4];
  unsigned char uuid[16];
  uint32_t stripes[2];
  int32_t version;
  uint32_t flags;
  uint32_t sizes[3];
};

std::optional<uint32_t> xfs_flags(int fd) {
  XfsGeometry geometry{};
  if (::ioctl(fd, _IOR('X', 100, XfsGeometry), &geometry) != 0) return std::nullopt;
  return geometry.flags;
}

}  // namespace cairn
