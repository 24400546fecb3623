// A store's layers without its pool: where the kernel has no device-mapper, or the pool must not be started. The pool's
// metadata is read in user space (thin_metadata.h) and each device put together as a file of its own (thin_image.h),
// which a loop device shows: its journal is replayed there. Nothing is written into the store.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "drivers/devicemapper/open_device.h"
#include "drivers/devicemapper/options.h"
#include "drivers/devicemapper/thin_metadata.h"
#include "drivers/sys/device_mapper.h"
#include "drivers/sys/home.h"
#include "drivers/sys/loop.h"

namespace cairn::devicemapper {

class OfflinePool {
 public:
  OfflinePool(const LayerHome& home, const Options& options) : home_(home), options_(options) {}

  // Why the pool is not to be started, and what would change that. Empty if it is, through the kernel.
  DeviceMapper::Missing reason() const;
  bool in_use() const { return !reason().why.empty(); }

  // The device of the layer `hash`, read-only. The last few stay at hand until this dies, and all that are open are
  // shared. Throws not_found, in_use while something has the pool active, corrupt.
  std::shared_ptr<const OpenDevice> open(const std::string& hash);
  void show(const std::string& hash, const OpenDevice::WhileSeen& while_seen);

 private:
  std::shared_ptr<const OpenDevice> make(const std::string& hash, const OpenDevice::WhileSeen& while_seen) const;
  LoopDevice attach(const std::string& hash) const;
  Fd open_part(const std::string& device, const char* file) const;
  void refuse_active(const Fd& metadata) const;
  void check_base(const ThinMetadata& metadata, int data) const;

  const LayerHome& home_;
  const Options& options_;
  mutable std::once_flag asked_;
  mutable DeviceMapper::Missing kernel_;
  std::mutex mutex_;
  std::map<std::string, std::weak_ptr<const OpenDevice>> opened_;
  std::deque<std::shared_ptr<const OpenDevice>> recent_;
};

}  // namespace cairn::devicemapper
