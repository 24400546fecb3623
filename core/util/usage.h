// How large a directory is.
#pragma once

#include <cstdint>

namespace cairn {

struct Usage {
  int64_t content = 0;   // Σ st_size of what is no directory, each inode once: what the engine calls a layer's size
  uint64_t on_disk = 0;  // Σ of allocated bytes, directories included, each inode once
  bool shared = false;   // something here has a name elsewhere, too
};

// Of everything below the directory `dir_fd`, on its own file system. Links are not followed.
Usage usage_of(int dir_fd);

}  // namespace cairn
