// --storage-opt dm.…, in the engine's own names and with its defaults.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/interfaces/driver.h"

namespace cairn::devicemapper {

struct Options {
  std::string thin_pool;                     // dm.thinpooldev: a pool made by somebody else
  std::string data_device, metadata_device;  // dm.datadev, dm.metadatadev: block devices in place of loop files
  std::optional<uint64_t> loop_data_bytes, loop_metadata_bytes;  // existing files grow to what is named, never shrink
  uint64_t base_bytes = 10ull << 30;                             // of a new base device
  uint64_t block_bytes = 64 << 10;                               // of a new pool

  static constexpr uint64_t kLoopData = 100ull << 30, kLoopMetadata = 2ull << 30;  // of new files, sparse
  std::string file_system;  // dm.fs; "" for what the store has, else xfs or ext4, whichever can be made here
  std::string mkfs_arguments, mount_options;
  unsigned min_free_percent = 10;
  bool discard = true;  // dm.blkdiscard; off by default on devices of one's own

  // Throws invalid for an unknown key or a value that is none, unsupported for what only engines do.
  static Options parse(const DriverOptions& options);
};

uint64_t parse_size(const std::string& text);  // "10G", "512mb", "1024": as engines read it; invalid otherwise

}  // namespace cairn::devicemapper
