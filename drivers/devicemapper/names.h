// What an engine calls the devices of a store, and the tables it gives them (formats: drivers, 4). Pure functions.
#pragma once

#include <sys/stat.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "drivers/sys/device_mapper.h"

namespace cairn::devicemapper {

// docker-<major>:<minor>-<inode>, of the directory HOME: a store that is copied elsewhere gets other names.
std::string device_prefix(const struct stat& home);
// `hash`: a layer's id, or "" for the base device.
std::string device_name(const std::string& prefix, const std::string& hash);

constexpr uint64_t kSector = 512;

DmTarget pool_table(uint64_t data_bytes, const std::string& metadata_device, const std::string& data_device,
                    uint64_t block_sectors);
DmTarget thin_table(uint64_t bytes, const std::string& pool, int64_t device_id);

// The status of a thin-pool target. Throws Errc::corrupt for what is none.
struct PoolStatus {
  uint64_t transaction_id = 0;
  uint64_t used_metadata = 0, total_metadata = 0;  // blocks of 4096 bytes
  uint64_t used_data = 0, total_data = 0;          // blocks of the pool's own size
  bool read_only = false, out_of_data_space = false, failed = false, needs_check = false;
};
PoolStatus parse_pool_status(std::string_view parameters);

// "", or one line why nothing may be written to the pool now, with what helps.
std::string refuses_writes(const PoolStatus& status, unsigned min_free_percent);

}  // namespace cairn::devicemapper
