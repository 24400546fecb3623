#include "drivers/devicemapper/device_set.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/util/error.h"

namespace cairn::devicemapper {

namespace fs = std::filesystem;

DeviceSet::DeviceSet(const fs::path& root, Options options)
    : home_(root, "devicemapper", 0700, {"devicemapper", "metadata", "mnt"}),
      options_(std::move(options)),
      pool_(home_, options_) {}

DeviceSet::~DeviceSet() {
  try {
    stop_pool();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "cairn: warning: %s\n", e.what());
  }
}

FileLock DeviceSet::lock() { return FileLock::wait(home_.fd(), FileLock::Kind::exclusive); }

std::optional<DeviceRecord> DeviceSet::find(const std::string& hash) const {
  const auto home = home_.try_fd();
  auto record = home ? Metadata(*home).device(hash) : std::nullopt;
  if (record && record->deleted) return std::nullopt;
  return record;
}

std::vector<std::string> DeviceSet::list() const {
  const auto home = home_.try_fd();
  if (!home) return {};
  const Metadata metadata(*home);
  auto out = metadata.list();
  std::erase_if(out, [&](const std::string& hash) {
    try {
      const auto record = metadata.device(hash);
      return record && record->deleted;
    } catch (const Error&) {
      return false;  // whoever opens it is told
    }
  });
  return out;
}

// An engine that was started meanwhile uses the pool as it found it.
void DeviceSet::stop_pool() {
  if (!pool_.ours()) return;
  const auto guard = lock();
  if (!engine_holding(open_at(home_.fd(), "..", O_RDONLY | O_DIRECTORY).get())) pool_.stop();
}

int64_t DeviceSet::next_device_id() {
  if (!used_ids_) {
    const Metadata metadata(home_.fd());
    used_ids_.emplace();
    for (const auto& id : metadata.list())
      if (const auto record = metadata.device(id)) used_ids_->insert(record->device_id);
    if (const auto base = metadata.device("")) used_ids_->insert(base->device_id);
    if (const auto known = metadata.device_set()) last_id_ = known->next_device_id;
  }
  for (int64_t tries = 0; tries <= kMaxDeviceId; ++tries) {
    last_id_ = (last_id_ + 1) & kMaxDeviceId;
    if (last_id_ != 0 && used_ids_->insert(last_id_).second) return last_id_;
  }
  throw Error(Errc::no_space, "making a device: all device ids of the pool are taken");
}

// The parent's file system is brought into order and held still meanwhile, if it is mounted.
void DeviceSet::snapshot(int64_t device_id, const std::string& parent, int64_t origin) const {
  const std::string name = name_of(parent);
  const bool active = DeviceMapper::info(name).has_value();
  if (active) DeviceMapper::suspend(name);
  try {
    pool_.message("create_snap " + std::to_string(device_id) + " " + std::to_string(origin));
  } catch (...) {
    if (active) DeviceMapper::resume(name);
    throw;
  }
  if (active) DeviceMapper::resume(name);
}

// One transaction: a new thin device, or a snapshot of `parent`'s. `parent` "" is the base, except for the base itself.
DeviceRecord DeviceSet::make_device(const std::string& hash, const std::string& parent, uint64_t bytes) {
  Metadata metadata(home_.fd());
  pool_.check_for_more();
  const auto before = static_cast<int64_t>(pool_.status().transaction_id);
  std::optional<DeviceRecord> origin;
  if (!hash.empty()) origin = find(parent);
  DeviceRecord record;
  record.size = origin ? origin->size : static_cast<int64_t>(bytes);
  record.transaction_id = before + 1;
  for (bool made = false; !made;) {
    record.device_id = next_device_id();
    metadata.put(TransactionRecord{record.transaction_id, hash, record.device_id});
    try {
      if (origin)
        snapshot(record.device_id, parent, origin->device_id);
      else
        pool_.message("create_thin " + std::to_string(record.device_id));
      made = true;
    } catch (const Error& e) {
      if (e.code() != Errc::already_exists) throw;
    }
  }
  try {
    metadata.put(hash, record);
    pool_.message("set_transaction_id " + std::to_string(before) + " " + std::to_string(record.transaction_id));
  } catch (...) {
    pool_.delete_device(record.device_id);
    metadata.remove(hash);
    throw;
  }
  return record;
}

void DeviceSet::delete_device(const std::string& hash, const DeviceRecord& record) {
  Metadata metadata(home_.fd());
  const auto before = static_cast<int64_t>(pool_.status().transaction_id);
  const std::string name = name_of(hash);
  Fd whole;  // exclusively: a device somebody uses is refused before anything happens to it
  if (options_.discard) whole = open_at(AT_FDCWD, activate(hash, record, DmAccess::read_write).node, O_RDWR | O_EXCL);
  if (!whole) DeviceMapper::remove(name);
  // From here on a crash is followed by the rest of the removal, never by a device whose content is gone.
  metadata.put(TransactionRecord{before + 1, hash, record.device_id});
  const uint64_t all[2] = {0, static_cast<uint64_t>(record.size)};
  if (whole) ::ioctl(whole.get(), BLKDISCARD, all);  // gives the loop file's blocks back; not doing so only costs space
  whole.reset();
  DeviceMapper::remove(name);
  pool_.delete_device(record.device_id);
  metadata.remove(hash);
  pool_.message("set_transaction_id " + std::to_string(before) + " " + std::to_string(before + 1));
  if (used_ids_) used_ids_->erase(record.device_id);
}

bool DeviceSet::is_open(const std::string& hash) const {
  const auto info = DeviceMapper::info(name_of(hash));
  return info && info->open_count > 0;
}

void DeviceSet::create(const std::string& hash, const std::string& parent) {
  home_.make();
  const auto guard = lock();
  start_to_write();
  if (const auto there = Metadata(home_.fd()).device(hash))
    throw Error(Errc::already_exists,
                "making the device of '" + printable(hash) + "': there is one of that name" +
                    (there->deleted ? ", which is deleted as soon as nothing uses it any more" : ""));
  if (!parent.empty() && !find(parent))
    throw Error(Errc::not_found,
                "making the device of '" + printable(hash) + "': its parent '" + printable(parent) + "' has none");
  make_device(hash, parent, 0);
}

void DeviceSet::remove(const std::string& hash) {
  if (!home_.try_fd()) return;
  const auto guard = lock();
  auto record = Metadata(home_.fd()).device(hash);
  if (!record) return;
  start_to_write();
  record = Metadata(home_.fd()).device(hash);  // starting may have finished it
  if (!record) return;
  if (!is_open(hash)) return delete_device(hash, *record);
  if (!options_.deferred_deletion)
    throw Error(Errc::in_use, "removing the device of '" + printable(hash) +
                                  "': it is mounted or open, perhaps in another mount namespace; with "
                                  "dm.use_deferred_deletion it goes when nothing uses it any more");
  record->deleted = true;
  Metadata(home_.fd()).put(hash, *record);
  let_go(hash);
}

void DeviceSet::rename(const std::string& from, const std::string& to) {
  const auto guard = lock();
  Metadata metadata(home_.fd());
  const auto record = metadata.device(from);
  if (!record) throw Error(Errc::not_found, "renaming the device of '" + printable(from) + "': there is none");
  DeviceMapper::remove(name_of(from));
  metadata.rename(from, to);
}

void DeviceSet::use(const std::string& hash, DmAccess access,
                    const std::function<void(const std::string& node)>& open) {
  const auto guard = lock();
  const auto record = find(hash);
  if (!record) throw Error(Errc::not_found, "opening the layer '" + printable(hash) + "': it has no device");
  tidy();
  pool_.start(Pool::For::reading);
  check_base(DmAccess::read_only);
  const Active active = activate(hash, *record, access);
  try {
    open(active.node);
  } catch (...) {
    if (active.ours) let_go(hash);
    throw;
  }
  if (active.ours) let_go(hash);
}

// A device that is not fit for use. One that is open is often only looked into, by udev, which takes a moment.
void DeviceSet::take_away(const std::string& hash) const {
  try {
    DeviceMapper::remove(name_of(hash));
  } catch (const Error& e) {
    if (e.code() != Errc::in_use) throw;
    throw Error(Errc::in_use, "opening the device of '" + printable(hash) + "' for writing: it is mounted read-only");
  }
}

DeviceSet::Active DeviceSet::activate(const std::string& hash, const DeviceRecord& record, DmAccess access) {
  const std::string name = name_of(hash);
  if (const auto info = DeviceMapper::info(name)) {
    const bool unfit = !info->has_table || (info->read_only && access == DmAccess::read_write);
    const bool ours = info->deferred_remove || is_own(*info);
    if (!unfit && (!info->deferred_remove || DeviceMapper::keep(name))) {
      DeviceMapper::ensure_node(name);
      return {DeviceMapper::node(name), ours};
    }
    if (unfit) take_away(hash);
  }
  DeviceMapper::create(
      name, {thin_table(static_cast<uint64_t>(record.size), DeviceMapper::node(pool_.name()), record.device_id)},
      access, own_uuid(name));
  return {DeviceMapper::node(name), true};
}

void DeviceSet::let_go(const std::string& hash) { DeviceMapper::remove(name_of(hash), true); }

void DeviceSet::check_room(uint64_t bytes) {
  const uint64_t free = free_bytes();
  if (free < bytes)
    throw Error(Errc::no_space, "writing to the pool '" + printable(pool_.name()) + "': " + std::to_string(bytes) +
                                    " bytes are needed, " + std::to_string(free) +
                                    " are free: enlarge it, or remove images and containers");
}

void DeviceSet::check_pool() {
  const auto guard = lock();
  pool_.start(Pool::For::changing);
  const auto status = pool_.status();
  if (status.out_of_data_space)
    throw Error(Errc::no_space, "writing to the pool '" + printable(pool_.name()) +
                                    "': it has become full: enlarge it, or remove images and containers");
}

uint64_t DeviceSet::free_bytes() {
  const auto guard = lock();
  pool_.start(Pool::For::reading);
  return pool_.free_bytes();
}

}  // namespace cairn::devicemapper
