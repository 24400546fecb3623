// The thin pool of one store, as a device: in loop files below HOME/devicemapper, on block devices named by dm.datadev
// and dm.metadatadev, or one that somebody else made (dm.thinpooldev). All of it happens under HOME's lock.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>

#include "core/util/error.h"
#include "drivers/devicemapper/names.h"
#include "drivers/devicemapper/options.h"
#include "drivers/sys/home.h"
#include "drivers/sys/loop.h"

namespace cairn::devicemapper {

// Below HOME, where the pool is in loop files.
constexpr const char* kPoolData = "devicemapper/data";
constexpr const char* kPoolMetadata = "devicemapper/metadata";
Error lost_pool_file(const std::filesystem::path& path);  // not_found

class Pool {
 public:
  Pool(const LayerHome& home, const Options& options) : home_(home), options_(options) {}

  std::string prefix() const;  // of the names of all devices of the store
  std::string name() const;

  enum class For { reading, changing };
  // Makes sure that the device is there. For changing: its files are made where the store is new, and what would not
  // end well is refused: files that were deleted or replaced, a pool that is damaged.
  void start(For use);
  bool ours() const { return ours_; }  // started here, or left by another cairn
  void stop();                         // if it is ours, the device goes with its last user

  PoolStatus status() const;
  uint64_t free_bytes() const;
  void check() const;           // throws unless changes can be made
  void check_for_more() const;  // throws unless there is room for something new
  void message(const std::string& text) const;
  void delete_device(int64_t device_id) const;  // absent is success

 private:
  struct Prepared {  // the loop devices live as long as this, or the table that names them
    std::optional<LoopDevice> data, metadata;
    std::vector<DmTarget> table;
  };
  bool take_existing(For use);
  Prepared prepare(For use) const;
  void make(For use);
  void grow();
  bool is_to_grow() const;
  void check_files(For use) const;
  void check_backing() const;
  uint64_t block_sectors(const std::string& metadata_node, const std::string& data_node) const;

  const LayerHome& home_;
  const Options& options_;
  bool ours_ = false;
};

}  // namespace cairn::devicemapper
