// The thin devices of one store, in the pool that holds them. Everything that changes the pool happens under a lock on
// HOME and as one transaction, as engines write them: the transaction file first, then the pool, then the device's
// file, then the pool's transaction id. What a crash leaves is rolled back by whoever writes next.
//
// Nothing stays behind: a device, the pool and its loop devices go when their last user goes (deferred removal).
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/layer/store_lock.h"
#include "drivers/devicemapper/metadata.h"
#include "drivers/devicemapper/names.h"
#include "drivers/devicemapper/options.h"
#include "drivers/sys/home.h"

namespace cairn::devicemapper {

class DeviceSet {
 public:
  DeviceSet(const std::filesystem::path& root, Options options);
  ~DeviceSet();

  const LayerHome& home() const { return home_; }
  const Options& options() const { return options_; }

  // "" is the base device in all of these.
  std::optional<DeviceRecord> find(const std::string& hash) const;  // none for one that is to be deleted
  std::vector<std::string> list() const;                            // stages' as well
  // A snapshot of `parent`. Throws already_exists, not_found, no_space before the pool is full.
  void create(const std::string& hash, const std::string& parent);
  // Absent is success; throws in_use while the device is open.
  void remove(const std::string& hash);
  void rename(const std::string& from, const std::string& to);

  // Makes the device and calls `open` with its node, while nobody can take it away; whatever `open` leaves open keeps
  // it. True if it is to be released when done: a device that others made, an engine perhaps, is theirs to remove.
  // Throws not_found.
  bool use(const std::string& hash, DmAccess access, const std::function<void(const std::string& node)>& open);
  void release(const std::string& hash);  // it goes with its last user

  PoolStatus status();
  std::string file_system();  // of the base device, and so of all: "ext4" or "xfs"

 private:
  std::string name_of(const std::string& hash) const { return device_name(prefix(), hash); }
  std::string prefix() const;
  std::string pool_name() const;
  void start_pool(bool make);
  void start_to_write();
  void stop_pool();
  void roll_back();
  void ensure_base();
  void check_base();
  void make_base();
  int64_t next_device_id();
  DeviceRecord make_device(const std::string& hash, const std::string& parent, uint64_t bytes);
  void delete_device(const std::string& hash, const DeviceRecord& record);
  struct Active {
    std::string node;
    bool ours;
  };
  Active activate(const std::string& hash, const DeviceRecord& record, DmAccess access);
  void let_go(const std::string& hash);
  FileLock lock();

  LayerHome home_;
  Options options_;
  std::optional<std::set<int64_t>> used_ids_;
  int64_t last_id_ = 0;
  bool our_pool_ = false;  // made here, or left by another cairn: it is removed in the end
  bool ready_to_write_ = false;
};

}  // namespace cairn::devicemapper
