// Copies a directory that is no layer: a volume, a container's files.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "core/interfaces/progress.h"
#include "core/util/fd.h"

namespace cairn {

// The directory `from` with all that is in it becomes `name` in `to_fd`, or `name`/`below`: complete and durable when
// it has that name, else absent. `finish` may change the copy (its descriptor is given) before it gets its name. Shares
// nothing with the source but blocks that the file system copies on write. Returns the bytes copied.
uint64_t copy_directory(Fd from, int to_fd, const std::string& name, const std::string& below = "",
                        const std::function<void(int dir_fd)>& finish = {}, Progress* progress = nullptr);

}  // namespace cairn
