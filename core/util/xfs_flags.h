// What an xfs was made with.
#pragma once

#include <cstdint>
#include <optional>

namespace cairn {

constexpr uint32_t kXfsFileTypes = 1u << 16;     // -n ftype=1
constexpr uint32_t kXfsSharedBlocks = 1u << 20;  // -m reflink=1

// Of the xfs that `fd` lies on; none: it is no xfs.
std::optional<uint32_t> xfs_flags(int fd);

}  // namespace cairn
