#include "drivers/devicemapper/device_set.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "core/util/error.h"
#include "drivers/devicemapper/block_fs.h"
#include "drivers/sys/loop.h"

namespace cairn::devicemapper {

namespace fs = std::filesystem;

static constexpr const char* kData = "devicemapper/data";
static constexpr const char* kMetadata = "devicemapper/metadata";

DeviceSet::DeviceSet(const fs::path& root, Options options)
    : home_(root, "devicemapper", 0700, {"devicemapper", "metadata", "mnt"}), options_(std::move(options)) {}

DeviceSet::~DeviceSet() {
  try {
    stop_pool();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "cairn: warning: %s\n", e.what());
  }
}

FileLock DeviceSet::lock() { return FileLock::wait(home_.fd(), FileLock::Kind::exclusive); }

std::string DeviceSet::prefix() const {
  struct stat st;
  if (::fstat(home_.fd(), &st) != 0) throw_errno("looking at '" + printable(home_.path().string()) + "'");
  return device_prefix(st);
}

std::string DeviceSet::pool_name() const {
  return options_.thin_pool.empty() ? prefix() + "-pool" : options_.thin_pool;
}

std::optional<DeviceRecord> DeviceSet::find(const std::string& hash) const {
  const auto home = home_.try_fd();
  auto record = home ? Metadata(*home).device(hash) : std::nullopt;
  if (record && record->deleted) return std::nullopt;
  return record;
}

std::vector<std::string> DeviceSet::list() const {
  const auto home = home_.try_fd();
  return home ? Metadata(*home).list() : std::vector<std::string>();
}

// A sparse file below HOME as a loop device, made or grown to `wanted`.
static LoopDevice loop_file(const LayerHome& home, const char* file, std::optional<uint64_t> wanted,
                            uint64_t size_of_new, bool make) {
  const auto st = stat_at(home.fd(), file);
  if (!st && !make)
    throw Error(Errc::not_found, "opening the pool: '" + printable((home.path() / file).string()) +
                                     "' is not there; a store on block devices needs dm.thinpooldev, or dm.datadev and "
                                     "dm.metadatadev");
  if (!st) {
    ensure_dir_at(home.fd(), "devicemapper", 0700);
    const Fd fd = open_at(home.fd(), file, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
    if (::ftruncate(fd.get(), static_cast<off_t>(wanted.value_or(size_of_new))) != 0)
      throw_errno("making '" + printable((home.path() / file).string()) + "'");
  }
  const bool grow = st && wanted && static_cast<uint64_t>(st->st_size) < *wanted;
  if (grow && ::truncate((home.path() / file).c_str(), static_cast<off_t>(*wanted)) != 0)
    throw_errno("growing '" + printable((home.path() / file).string()) + "'");
  auto loop = LoopDevice::attach((home.path() / file).string());
  if (grow) loop.use_new_size();
  return loop;
}

// The pool as a device. `make`: its files as well, where there are none.
void DeviceSet::start_pool(bool make) {
  const std::string pool = pool_name();
  if (const auto info = DeviceMapper::info(pool)) {
    if (!info->deferred_remove) return;
    our_pool_ = options_.thin_pool.empty();
    if (DeviceMapper::keep(pool)) return;  // else its last user has just gone
  }
  if (!options_.thin_pool.empty())
    throw Error(Errc::not_found,
                "opening the pool '" + printable(pool) + "': there is no such device; activate it (lvchange -ay)");
  std::optional<LoopDevice> data, metadata;
  if (options_.data_device.empty()) data = loop_file(home_, kData, options_.loop_data_bytes, Options::kLoopData, make);
  if (options_.metadata_device.empty())
    metadata = loop_file(home_, kMetadata, options_.loop_metadata_bytes, Options::kLoopMetadata, make);
  const std::string data_node = data ? data->node() : options_.data_device;
  const std::string metadata_node = metadata ? metadata->node() : options_.metadata_device;
  const DmTarget table =
      pool_table(block_device_size(data_node), metadata_node, data_node, options_.block_bytes / kSector);
  DeviceMapper::create(pool, {table}, DmAccess::read_write);
  our_pool_ = true;
}

void DeviceSet::stop_pool() {
  if (!our_pool_) return;
  const auto guard = lock();
  if (DeviceMapper::info(pool_name())) DeviceMapper::remove(pool_name(), true);
  our_pool_ = false;
}

PoolStatus DeviceSet::status() {
  const auto lines = DeviceMapper::status(pool_name());
  if (lines.size() != 1 || lines[0].type != "thin-pool")
    throw Error(Errc::invalid, "reading the status of '" + printable(pool_name()) + "': it is no thin pool");
  return parse_pool_status(lines[0].parameters);
}

void DeviceSet::start_to_write() {
  start_pool(true);
  if (ready_to_write_) return;
  roll_back();
  ensure_base();
  ready_to_write_ = true;
}

// What the file of the last transaction tells, if the pool does not know that it was completed, never was.
void DeviceSet::roll_back() {
  Metadata metadata(home_.fd());
  const auto open = metadata.transaction();
  if (!open || static_cast<uint64_t>(open->open_transaction_id) <= status().transaction_id) return;
  bool others = false;
  for (const auto& id : metadata.list()) {
    const auto record = metadata.device(id);
    others = others || (record && record->device_id == open->device_id && id != open->device_hash);
  }
  if (!others && open->device_id > 0) {
    const std::string name = name_of(open->device_hash);
    if (DeviceMapper::info(name)) DeviceMapper::remove(name);
    try {
      DeviceMapper::message(pool_name(), "delete " + std::to_string(open->device_id));
    } catch (const Error&) {  // it had not been made yet, or was deleted already
    }
  }
  const auto known = metadata.list();
  if (open->device_hash.empty() || std::find(known.begin(), known.end(), open->device_hash) != known.end()) {
    const auto record = metadata.device(open->device_hash);
    if (record && record->device_id == open->device_id) metadata.remove(open->device_hash);
  }
  metadata.remove_transaction();
}

void DeviceSet::ensure_base() {
  Metadata metadata(home_.fd());
  const auto base = metadata.device("");
  if (base && base->initialized) return check_base();
  if (base) delete_device("", *base);  // a crash came before its file system
  make_base();
}

// Another pool under the same name would give out other devices' blocks.
void DeviceSet::check_base() {
  const auto known = Metadata(home_.fd()).device_set();
  if (!known || known->base_uuid.empty()) return;
  const Active active = activate("", *find(""), DmAccess::read_only);
  const auto found = probe_file_system(active.node);
  if (active.ours) let_go("");
  if (!found || found->uuid != known->base_uuid)
    throw Error(Errc::corrupt, "opening the pool '" + printable(pool_name()) + "': its base device has the UUID " +
                                   (found ? found->uuid : "of no file system") + ", the store's has " +
                                   printable(known->base_uuid) + "; this is another pool than the store was made with");
}

void DeviceSet::make_base() {
  Metadata metadata(home_.fd());
  const auto before = status();
  if (!options_.thin_pool.empty() && (before.used_data != 0 || before.transaction_id != 0))
    throw Error(Errc::invalid, "taking the pool '" + printable(pool_name()) +
                                   "': it is not empty and belongs to no store here; name an unused one");
  DeviceRecord base = make_device("", "", options_.base_bytes);
  const std::string node = activate("", base, DmAccess::read_write).node;
  std::string type = options_.file_system;
  if (type.empty()) type = "ext4";
  make_file_system(type, node, options_.mkfs_arguments);
  const auto found = probe_file_system(node);
  let_go("");
  if (!found) throw Error(Errc::io, "making the base device: it has no file system afterwards");
  DeviceSetRecord record{base.device_id, found->uuid, found->type};
  metadata.put(record);
  base.initialized = true;
  metadata.put("", base);
}

std::string DeviceSet::file_system() {
  const auto known = Metadata(home_.fd()).device_set();
  return known ? known->base_file_system : "";
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

// One transaction: a new thin device, or a snapshot of `parent`'s. `parent` "" is the base, except for the base itself.
DeviceRecord DeviceSet::make_device(const std::string& hash, const std::string& parent, uint64_t bytes) {
  Metadata metadata(home_.fd());
  const PoolStatus pool = status();
  if (const std::string why = refuses_writes(pool, options_.min_free_percent); !why.empty())
    throw Error(Errc::no_space, "making a device in the pool '" + printable(pool_name()) + "': " + why);
  std::optional<DeviceRecord> origin;
  if (!hash.empty()) origin = find(parent);
  DeviceRecord record;
  record.size = origin ? origin->size : static_cast<int64_t>(bytes);
  record.transaction_id = static_cast<int64_t>(pool.transaction_id) + 1;
  for (;;) {
    record.device_id = next_device_id();
    metadata.put(TransactionRecord{record.transaction_id, hash, record.device_id});
    const std::string id = std::to_string(record.device_id);
    const std::string text =
        origin ? "create_snap " + id + " " + std::to_string(origin->device_id) : "create_thin " + id;
    const bool active = origin && DeviceMapper::info(name_of(parent));
    try {
      if (active) DeviceMapper::suspend(name_of(parent));
      DeviceMapper::message(pool_name(), text);
      if (active) DeviceMapper::resume(name_of(parent));
      break;
    } catch (const Error& e) {
      if (active) DeviceMapper::resume(name_of(parent));
      if (e.code() != Errc::already_exists) throw;
    }
  }
  try {
    metadata.put(hash, record);
    DeviceMapper::message(pool_name(), "set_transaction_id " + std::to_string(pool.transaction_id) + " " +
                                           std::to_string(record.transaction_id));
  } catch (...) {
    DeviceMapper::message(pool_name(), "delete " + std::to_string(record.device_id));
    metadata.remove(hash);
    throw;
  }
  return record;
}

void DeviceSet::delete_device(const std::string& hash, const DeviceRecord& record) {
  Metadata metadata(home_.fd());
  const uint64_t before = status().transaction_id;
  const std::string name = name_of(hash);
  Fd whole;  // exclusively: a device somebody uses is refused before anything happens to it
  if (options_.discard) whole = open_at(AT_FDCWD, activate(hash, record, DmAccess::read_write).node, O_RDWR | O_EXCL);
  // From here on a crash is followed by the rest of the removal, never by a device whose content is gone.
  metadata.put(TransactionRecord{static_cast<int64_t>(before) + 1, hash, record.device_id});
  const uint64_t all[2] = {0, static_cast<uint64_t>(record.size)};
  if (whole) ::ioctl(whole.get(), BLKDISCARD, all);  // gives the loop file's blocks back; not doing so only costs space
  whole.reset();
  if (DeviceMapper::info(name)) DeviceMapper::remove(name);
  DeviceMapper::message(pool_name(), "delete " + std::to_string(record.device_id));
  metadata.remove(hash);
  DeviceMapper::message(pool_name(), "set_transaction_id " + std::to_string(before) + " " + std::to_string(before + 1));
  if (used_ids_) used_ids_->erase(record.device_id);
}

void DeviceSet::create(const std::string& hash, const std::string& parent) {
  home_.make();
  const auto guard = lock();
  start_to_write();
  if (Metadata(home_.fd()).device(hash))
    throw Error(Errc::already_exists, "making the device of '" + printable(hash) + "': there is one of that name");
  if (!parent.empty() && !find(parent))
    throw Error(Errc::not_found,
                "making the device of '" + printable(hash) + "': its parent '" + printable(parent) + "' has none");
  make_device(hash, parent, 0);
}

void DeviceSet::remove(const std::string& hash) {
  if (!home_.try_fd()) return;
  const auto guard = lock();
  const auto record = Metadata(home_.fd()).device(hash);
  if (!record) return;
  start_to_write();
  if (const auto info = DeviceMapper::info(name_of(hash)); info && info->open_count > 0)
    throw Error(Errc::in_use, "removing the device of '" + printable(hash) + "': it is mounted or open");
  delete_device(hash, *record);
}

void DeviceSet::rename(const std::string& from, const std::string& to) {
  const auto guard = lock();
  Metadata metadata(home_.fd());
  const auto record = metadata.device(from);
  if (!record) throw Error(Errc::not_found, "renaming the device of '" + printable(from) + "': there is none");
  if (const auto info = DeviceMapper::info(name_of(from))) DeviceMapper::remove(name_of(from));
  metadata.rename(from, to);
}

bool DeviceSet::use(const std::string& hash, DmAccess access,
                    const std::function<void(const std::string& node)>& open) {
  const auto guard = lock();
  const auto record = find(hash);
  if (!record) throw Error(Errc::not_found, "opening the layer '" + printable(hash) + "': it has no device");
  start_pool(false);
  const Active active = activate(hash, *record, access);
  try {
    open(active.node);
  } catch (...) {
    if (active.ours) let_go(hash);
    throw;
  }
  return active.ours;
}

DeviceSet::Active DeviceSet::activate(const std::string& hash, const DeviceRecord& record, DmAccess access) {
  const std::string name = name_of(hash);
  if (const auto info = DeviceMapper::info(name)) {
    const bool too_little = info->read_only && access == DmAccess::read_write;
    const bool going = info->deferred_remove;
    if (!too_little && (!going || DeviceMapper::keep(name))) return {DeviceMapper::node(name), going};
    if (too_little && info->open_count > 0)
      throw Error(Errc::in_use, "opening the device of '" + printable(hash) + "' for writing: it is mounted read-only");
    if (too_little) DeviceMapper::remove(name);
  }
  DeviceMapper::create(name, {thin_table(static_cast<uint64_t>(record.size), pool_name(), record.device_id)}, access);
  return {DeviceMapper::node(name), true};
}

void DeviceSet::release(const std::string& hash) {
  const auto guard = lock();
  let_go(hash);
}

void DeviceSet::let_go(const std::string& hash) {
  if (DeviceMapper::info(name_of(hash))) DeviceMapper::remove(name_of(hash), true);
}

}  // namespace cairn::devicemapper
