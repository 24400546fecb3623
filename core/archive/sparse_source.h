// Files with holes, as streams.
#pragma once

#include <memory>

#include "core/archive/stream.h"

namespace cairn {

// As read_from(), but holes are not read: the kernel would fill its page cache with their zeros, in place of what is
// read next.
std::unique_ptr<ByteSource> read_sparse(Fd file);

}  // namespace cairn
