// The content of one file into another, by the cheapest way the file systems have. Internal to core/archive.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "core/interfaces/progress.h"

namespace cairn {

// Shares the source's blocks (FICLONE). False where the file system cannot; `to` is then still empty.
bool reflink(int from, int to);

// copy_file_range, else read and write; holes stay holes. Returns the bytes that were data. Errc::io if the source is
// shorter than `size`.
uint64_t copy_content(int from, int to, off_t size, Progress* progress = nullptr);

}  // namespace cairn
