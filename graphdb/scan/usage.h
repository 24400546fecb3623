// Disk space of directory trees.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace cairn {

// Allocated bytes of everything below `paths` (relative to `root_fd`), hard links counted once over all of them. Links
// are not followed and nothing mounted inside is entered. Names in `except` directly below one of the paths are left
// out. What is not there counts nothing.
uint64_t disk_usage(int root_fd, const std::vector<std::string>& paths, const std::vector<std::string>& except,
                    unsigned jobs);

}  // namespace cairn
