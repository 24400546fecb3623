// What a disk does, measured on a store's own files: the base of every estimate.
#pragma once

#include <cstdint>

namespace cairn {

struct DiskSample {
  double hash_rate = 0;           // bytes a second that all workers together read and hash
  double read_rate = 0;           // that they only read
  double file_seconds = 0;        // one worker, to find a file and look at it
  double file_size = 0;           // bytes, on average of those found
  uint64_t files = 0, bytes = 0;  // that were read for it
  double seconds = 0;             // that this took
};

// Reads files below the directory `dir_fd`, here and there, for a fraction of a second. Where there is little to read,
// the rates are those of memory. What cannot be read is left out. Writes nothing, not even access times.
DiskSample sample_disk(int dir_fd, unsigned jobs);

enum class LinkKind { none, hard, reflink };  // the best of them

// What the file system that `dir_fd` lies on allows between its files, told without writing to it.
LinkKind links_of(int dir_fd);

}  // namespace cairn
