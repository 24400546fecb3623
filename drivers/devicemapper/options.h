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
  std::optional<uint64_t> base_bytes;                            // so does an existing base device; less is refused
  uint64_t block_bytes = 64 << 10;                               // of a new pool

  static constexpr uint64_t kLoopData = 100ull << 30, kLoopMetadata = 2ull << 30;  // of new files, sparse
  static constexpr uint64_t kBase = 10ull << 30;                                   // of a new base device
  std::string file_system;  // dm.fs, of a new base device: "ext4" or "xfs"; "" is ext4
  std::string mkfs_arguments, mount_options;
  std::string xfs_retries;  // dm.xfs_nospace_max_retries
  unsigned min_free_percent = 10;
  bool discard = true;             // dm.blkdiscard; off by default on devices of one's own
  bool deferred_deletion = false;  // what is in use at its removal goes later; else that is refused

  bool offline = false;  // dm.offline, cairn's own: read without starting the pool

  bool on_loop_files() const { return thin_pool.empty() && data_device.empty() && metadata_device.empty(); }

  // Throws invalid for an unknown key or a value that is none, unsupported for what only engines do.
  static Options parse(const DriverOptions& options);
};

}  // namespace cairn::devicemapper
