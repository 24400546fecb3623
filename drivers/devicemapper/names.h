// What an engine calls the devices of a store, and the tables it gives them (formats: drivers, 4). Pure functions.
#pragma once

#include <sys/stat.h>

#include <algorithm>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/util/error.h"
#include "drivers/sys/device_mapper.h"

namespace cairn::devicemapper {

// docker-<major>:<minor>-<inode>, of the directory HOME: a store that is copied elsewhere gets other names.
std::string device_prefix(const struct stat& home);
// `hash`: a layer's id, or "" for the base device.
std::string device_name(const std::string& prefix, const std::string& hash);

// The UUID of a device that cairn made, so that the next one knows what a crash left. Engines give none.
std::string own_uuid(const std::string& device_name);
bool is_own(const DmInfo& info);

constexpr uint64_t kSector = 512;

// A full pool fails writes at once, where an engine's makes them wait for a minute first.
DmTarget pool_table(uint64_t data_bytes, const std::string& metadata_device, const std::string& data_device,
                    uint64_t block_sectors);
DmTarget thin_table(uint64_t bytes, const std::string& pool_node, int64_t device_id);

// The devices a thin-pool target lies on ("7:1") and its block size. Throws Errc::invalid for another target's table.
struct PoolTable {
  std::string metadata_device, data_device;
  uint64_t block_bytes = 0;
};
PoolTable parse_pool_table(const std::vector<DmTarget>& table);

// The status of a thin-pool target. Throws Errc::corrupt for what is none.
struct PoolStatus {
  uint64_t transaction_id = 0;
  uint64_t used_metadata = 0, total_metadata = 0;  // blocks of 4096 bytes
  uint64_t used_data = 0, total_data = 0;          // blocks of the pool's own size
  bool read_only = false, out_of_data_space = false, failed = false, needs_check = false;

  uint64_t free_data() const { return total_data - std::min(used_data, total_data); }
};
PoolStatus parse_pool_status(std::string_view parameters);

struct Refusal {
  Errc code;
  std::string why;  // one line, with what helps
};
// Why the pool cannot be changed at all, not even by a removal.
std::optional<Refusal> refuses_changes(const PoolStatus& status);
// Why nothing new may be put into it.
std::optional<Refusal> refuses_more(const PoolStatus& status, unsigned min_free_percent);

}  // namespace cairn::devicemapper
