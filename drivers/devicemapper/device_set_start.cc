// What happens before a process changes its first device: what crashes left is put in order, and the pool is made sure
// to be the store's, with a base device.
#include <sys/mount.h>
#include <unistd.h>

#include <algorithm>

#include "core/util/error.h"
#include "drivers/devicemapper/block_fs.h"
#include "drivers/devicemapper/device_set.h"

namespace cairn::devicemapper {

void DeviceSet::start_to_write() {
  tidy();
  pool_.start(Pool::For::changing);
  if (ready_to_write_) return;
  check_base(DmAccess::read_write);
  roll_back();
  ensure_base();
  finish_deletions();
  ready_to_write_ = true;
}

// What a process that was killed under the lock left: nobody else can be using it in this moment.
void DeviceSet::tidy() {
  if (tidy_) return;
  tidy_mounts();
  tidy_devices();
  tidy_ = true;
}

void DeviceSet::tidy_mounts() const {
  const auto mounts = try_open_at(home_.fd(), "mnt", O_RDONLY | O_DIRECTORY);
  if (!mounts) return;
  for (const auto& name : list_dir(mounts->get())) {
    if (!name.starts_with(kStage)) continue;
    ::umount2((home_.path() / "mnt" / name).c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
    ::unlinkat(mounts->get(), name.c_str(), AT_REMOVEDIR);
  }
}

void DeviceSet::tidy_devices() const {
  const std::string prefix = pool_.prefix() + "-";
  for (const auto& name : DeviceMapper::list()) {
    if (!name.starts_with(prefix) || name == pool_.name()) continue;
    const auto info = DeviceMapper::info(name);
    if (!info || !is_own(*info)) continue;
    if (info->suspended && info->has_table) DeviceMapper::resume(name);  // else whoever has it open waits for ever
    if (info->open_count == 0)
      DeviceMapper::remove(name);
    else if (!info->deferred_remove)
      DeviceMapper::remove(name, true);
  }
}

// What the file of the last transaction tells, if the pool does not know that it was completed, never was.
void DeviceSet::roll_back() {
  Metadata metadata(home_.fd());
  const auto open = metadata.transaction();
  if (!open || static_cast<uint64_t>(open->open_transaction_id) <= pool_.status().transaction_id) return;
  const auto known = metadata.list();
  const bool others = std::any_of(known.begin(), known.end(), [&](const auto& id) {
    const auto record = id != open->device_hash ? metadata.device(id) : std::nullopt;
    return record && record->device_id == open->device_id;
  });
  if (!others && open->device_id > 0) {
    DeviceMapper::remove(name_of(open->device_hash));
    pool_.delete_device(open->device_id);
  }
  if (open->device_hash.empty() || std::find(known.begin(), known.end(), open->device_hash) != known.end()) {
    const auto record = metadata.device(open->device_hash);
    if (record && record->device_id == open->device_id) metadata.remove(open->device_hash);
  }
  metadata.remove_transaction();
}

void DeviceSet::ensure_base() {
  const auto base = Metadata(home_.fd()).device("");
  if (base && base->initialized) return grow_base();
  if (base) delete_device("", *base);  // a crash came before its file system
  make_base();
}

// Another pool under the same name would give out, or delete, other devices' blocks. Without a file system on the base
// device the others may still be read, but nothing is to be written.
void DeviceSet::check_base(DmAccess access) {
  const Metadata metadata(home_.fd());
  const auto known = metadata.device_set();
  const auto base = metadata.device("");
  if (is_the_stores_ || !known || known->base_uuid.empty() || !base || !base->initialized) return;
  const auto found = [&]() -> std::optional<BlockFileSystem> {
    try {
      const Active active = activate("", *base, DmAccess::read_only);
      const auto probed = probe_file_system(active.node);
      if (active.ours) let_go("");
      return probed;
    } catch (const Error&) {
      if (access == DmAccess::read_write) throw;
      return std::nullopt;
    }
  }();
  if (!found && access == DmAccess::read_only) return;
  if (!found || found->uuid != known->base_uuid)
    throw Error(Errc::corrupt, "opening the pool '" + printable(pool_.name()) + "': its base device has " +
                                   (found ? "the UUID " + found->uuid : "no file system") +
                                   ", the store's has the UUID " + printable(known->base_uuid) +
                                   ": this is another pool than the store was made with");
  is_the_stores_ = true;
}

void DeviceSet::make_base() {
  Metadata metadata(home_.fd());
  if (pool_.status().used_data != 0)
    throw Error(Errc::invalid, "making the base device in the pool '" + printable(pool_.name()) +
                                   "': there is data in it, but the store has no 'metadata/base': name an unused pool, "
                                   "or put the file back");
  DeviceRecord base = make_device("", "", options_.base_bytes.value_or(Options::kBase));
  const std::string node = activate("", base, DmAccess::read_write).node;
  make_file_system(options_.file_system.empty() ? "ext4" : options_.file_system, node, options_.mkfs_arguments);
  const auto found = probe_file_system(node);
  let_go("");
  if (!found) throw Error(Errc::io, "making the base device: it has no file system afterwards");
  metadata.put(DeviceSetRecord{base.device_id, found->uuid, found->type});
  base.initialized = true;
  metadata.put("", base);
}

// The record first: a device that is larger than its file system does no harm, and is found here the next time.
void DeviceSet::grow_base() {
  Metadata metadata(home_.fd());
  auto base = *metadata.device("");
  const auto wanted = static_cast<int64_t>(options_.base_bytes.value_or(0));
  if (wanted == 0) return;
  if (wanted < base.size)
    throw Error(Errc::invalid, "opening the base device: dm.basesize is " + std::to_string(wanted) +
                                   ", less than the store's, " + std::to_string(base.size) + ": it can only grow");
  if (wanted > base.size) {
    DeviceMapper::remove(name_of(""));
    base.size = wanted;
    metadata.put("", base);
  }
  const Active active = activate("", base, DmAccess::read_write);
  const auto found = probe_file_system(active.node);
  if (found && found->bytes < static_cast<uint64_t>(base.size)) {
    ensure_dir_at(home_.fd(), "mnt", 0755);
    const std::string place = "mnt/" + std::string(kStage) + "base";
    mkdir_at(home_.fd(), place, 0700);
    try {
      grow_file_system(found->type, active.node, home_.path() / place);
    } catch (...) {
      ::unlinkat(home_.fd(), place.c_str(), AT_REMOVEDIR);
      if (active.ours) let_go("");
      throw;
    }
    ::unlinkat(home_.fd(), place.c_str(), AT_REMOVEDIR);
  }
  if (active.ours) let_go("");
}

// Engines do this every half minute.
void DeviceSet::finish_deletions() {
  const Metadata metadata(home_.fd());
  for (const auto& hash : metadata.list()) {
    const auto record = metadata.device(hash);
    if (record && record->deleted && !is_open(hash)) delete_device(hash, *record);
  }
}

}  // namespace cairn::devicemapper
