// The thin devices of one store, in the pool that holds them. Everything that changes the pool happens under a lock on
// HOME and as one transaction, as engines write them: the transaction file first, then the pool, then the device's
// file, then the pool's transaction id. What a crash leaves is rolled back by whoever writes next.
//
// Nothing stays behind: a device, the pool and its loop devices go when their last user goes (deferred removal); what a
// crash left of them goes when cairn next uses the store.
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
#include "drivers/devicemapper/pool.h"
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
  std::vector<std::string> list() const;                            // so here; stages' as well
  // A snapshot of `parent`. Throws already_exists, not_found, no_space before the pool is full.
  void create(const std::string& hash, const std::string& parent);
  // Absent is success. Throws in_use while the device is open, unless dm.use_deferred_deletion says that it is to be
  // deleted then by whoever writes next.
  void remove(const std::string& hash);
  void rename(const std::string& from, const std::string& to);

  // Makes the device and calls `open` with its node, while nobody can take it away; whatever `open` leaves open keeps
  // it, and it goes with its last user, except one that others made, an engine perhaps. Throws not_found.
  void use(const std::string& hash, DmAccess access, const std::function<void(const std::string& node)>& open);

  void check_room(uint64_t bytes);  // throws no_space unless the pool has as much free
  void check_pool();                // throws if what was written may not have got there
  uint64_t free_bytes();

 private:
  std::string name_of(const std::string& hash) const { return device_name(pool_.prefix(), hash); }
  void start_to_write();
  void tidy();
  void tidy_mounts() const;
  void tidy_devices() const;
  void stop_pool();
  void roll_back();
  void ensure_base();
  void check_base(DmAccess access);
  void make_base();
  void grow_base();
  int64_t next_device_id();
  DeviceRecord make_device(const std::string& hash, const std::string& parent, uint64_t bytes);
  void snapshot(int64_t device_id, const std::string& parent, int64_t origin) const;
  void delete_device(const std::string& hash, const DeviceRecord& record);
  void finish_deletions();
  bool is_open(const std::string& hash) const;
  struct Active {
    std::string node;
    bool ours;
  };
  Active activate(const std::string& hash, const DeviceRecord& record, DmAccess access);
  void let_go(const std::string& hash);
  void take_away(const std::string& hash) const;
  FileLock lock();

  LayerHome home_;
  Options options_;
  Pool pool_;
  std::optional<std::set<int64_t>> used_ids_;
  int64_t last_id_ = 0;
  bool tidy_ = false, is_the_stores_ = false, ready_to_write_ = false;
};

}  // namespace cairn::devicemapper
