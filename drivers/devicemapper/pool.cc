#include "drivers/devicemapper/pool.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstring>

#include "core/util/error.h"
#include "drivers/devicemapper/block_fs.h"
#include "drivers/devicemapper/metadata.h"
#include "drivers/sys/loop.h"

namespace cairn::devicemapper {

std::string Pool::prefix() const {
  struct stat st;
  if (::fstat(home_.fd(), &st) != 0) throw_errno("looking at '" + printable(home_.path().string()) + "'");
  return device_prefix(st);
}

std::string Pool::name() const { return options_.thin_pool.empty() ? prefix() + "-pool" : options_.thin_pool; }

void Pool::start(For use) {
  if (!take_existing(use))
    while_doing([&] { return "starting the pool '" + printable(name()) + "'"; }, [&] { make(use); });
  if (use == For::reading) return;
  check_backing();
  check();
}

// The device, if it is there and fit for use; what a crash left is not always.
bool Pool::take_existing(For use) {
  const std::string pool = name();
  const auto info = DeviceMapper::info(pool);
  if (!info) return false;
  const bool own = is_own(*info);
  if (own && !info->has_table) {
    DeviceMapper::remove(pool);
    return false;
  }
  if (own && info->suspended) DeviceMapper::resume(pool);
  if (use == For::changing && is_to_grow() && !refuses_changes(status())) grow();
  ours_ = ours_ || own || (info->deferred_remove && options_.thin_pool.empty());
  if (info->deferred_remove) return DeviceMapper::keep(pool);  // false: its last user has just gone
  DeviceMapper::ensure_node(pool);
  return true;
}

// A sparse file below HOME as a loop device, made or grown to `wanted`.
static LoopDevice loop_file(const LayerHome& home, const char* file, std::optional<uint64_t> wanted,
                            uint64_t size_of_new) {
  const auto st = stat_at(home.fd(), file);
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

bool Pool::is_to_grow() const {
  const auto is_less = [&](const char* file, const std::string& device, std::optional<uint64_t> wanted) {
    const auto st = device.empty() && wanted ? stat_at(home_.fd(), file) : std::nullopt;
    return st && static_cast<uint64_t>(st->st_size) < *wanted;
  };
  return is_less(kPoolData, options_.data_device, options_.loop_data_bytes) ||
         is_less(kPoolMetadata, options_.metadata_device, options_.loop_metadata_bytes);
}

Error lost_pool_file(const std::filesystem::path& path) {
  return Error(Errc::not_found, "'" + printable(path.string()) +
                                    "' is not there: put it back; a store on block devices needs dm.thinpooldev, or "
                                    "dm.datadev and dm.metadatadev");
}

// An empty pool in place of a lost one would give new devices the numbers of those that the store has.
void Pool::check_files(For use) const {
  const auto lost = [&](const char* file, const std::string& device) {
    return device.empty() && !exists_at(home_.fd(), file);
  };
  const bool no_data = lost(kPoolData, options_.data_device),
             no_metadata = lost(kPoolMetadata, options_.metadata_device);
  if (!no_data && !no_metadata) return;
  const Metadata records(home_.fd());
  const bool is_new = records.list().empty() && !records.device("");
  const auto holds_something = [&](const char* file) {
    const auto st = stat_at(home_.fd(), file);
    return st && st->st_blocks > 0;
  };
  if (use == For::changing && is_new && !holds_something(kPoolData) && !holds_something(kPoolMetadata)) return;
  throw lost_pool_file(home_.path() / (no_data ? kPoolData : kPoolMetadata));
}

// Of the pool that is on the device already: a table with another one is refused by the kernel. Else of a new one,
// which the kernel makes where the metadata device begins with zeros: only if nothing else is on either.
uint64_t Pool::block_sectors(const std::string& metadata_node, const std::string& data_node) const {
  constexpr size_t kMagicAt = 32, kBlockSizeAt = 336;
  constexpr uint64_t kThinMagic = 27022010;
  const Fd fd = open_at(AT_FDCWD, metadata_node, O_RDONLY);
  ::ioctl(fd.get(), BLKFLSBUF, 0);  // a pool writes past what an earlier reader left in memory
  std::array<char, 4096> start{};
  if (read_full(fd.get(), start) < start.size())
    throw Error(Errc::corrupt, "'" + printable(metadata_node) + "' is too small for a pool's metadata");
  uint64_t magic = 0;
  uint32_t sectors = 0;
  std::memcpy(&magic, &start[kMagicAt], sizeof magic);
  std::memcpy(&sectors, &start[kBlockSizeAt], sizeof sectors);
  if (magic == kThinMagic && sectors > 0) return sectors;
  if (std::any_of(start.begin(), start.end(), [](char c) { return c != 0; }) || probe_file_system(metadata_node))
    throw Error(Errc::invalid, "'" + printable(metadata_node) +
                                   "' holds something that is no pool's metadata: if it is not needed, wipe its start");
  if (const auto other = probe_file_system(data_node))
    throw Error(Errc::invalid, "'" + printable(data_node) + "' holds a file system (" + other->type +
                                   "): if it is not needed, wipe its start");
  return options_.block_bytes / kSector;
}

// The table over the loop files, which are made, or grown to what is wanted, and over the devices that are named.
Pool::Prepared Pool::prepare(For use) const {
  const auto loop_of = [&](const char* file, const std::string& device, std::optional<uint64_t> wanted,
                           uint64_t new_size) {
    if (use == For::reading) wanted.reset();
    return device.empty() ? std::optional(loop_file(home_, file, wanted, new_size)) : std::nullopt;
  };
  auto data = loop_of(kPoolData, options_.data_device, options_.loop_data_bytes, Options::kLoopData);
  auto metadata =
      loop_of(kPoolMetadata, options_.metadata_device, options_.loop_metadata_bytes, Options::kLoopMetadata);
  const std::string data_node = data ? data->node() : options_.data_device;
  const std::string metadata_node = metadata ? metadata->node() : options_.metadata_device;
  const DmTarget table =
      pool_table(block_device_size(data_node), metadata_node, data_node, block_sectors(metadata_node, data_node));
  return {std::move(data), std::move(metadata), {table}};
}

void Pool::make(For use) {
  if (!options_.thin_pool.empty())
    throw Error(Errc::not_found, "there is no such device; for an LVM pool, 'lvchange -ay' makes it");
  check_files(use);
  const Prepared prepared = prepare(use);
  DeviceMapper::create(name(), prepared.table, DmAccess::read_write, own_uuid(name()));
  ours_ = true;
}

// Under its devices, which may be in use.
void Pool::grow() {
  check_backing();
  const Prepared prepared = prepare(For::changing);
  DeviceMapper::reload(name(), prepared.table);
  DeviceMapper::suspend(name());
  DeviceMapper::resume(name());
}

void Pool::stop() {
  if (!ours_) return;
  DeviceMapper::remove(name(), true);
  ours_ = false;
}

// The loop devices of an active pool keep showing files that were deleted or replaced meanwhile: what is written then
// is gone when they go.
void Pool::check_backing() const {
  if (!options_.thin_pool.empty()) return;
  const auto table = parse_pool_table(DeviceMapper::table(name()));
  const auto check_one = [&](const std::string& device, const char* file, const std::string& named) {
    const std::string loop = "/sys/dev/block/" + device + "/loop";
    if (!named.empty() || !exists_at(AT_FDCWD, loop)) return;
    const std::string path = (home_.path() / file).string();
    if (exists_at(home_.fd(), file)) {
      const auto shows = LoopDevice::find(path);
      if (shows && shows->is(device)) return;
    }
    throw Error(Errc::corrupt,
                "changing the pool '" + printable(name()) + "': '" + printable(path) +
                    "' was deleted or replaced while the pool is active; what is in it can still be read: save it "
                    "(cairn export, or dd from the block device " +
                    device + ") before the pool is stopped");
  };
  check_one(table.metadata_device, kPoolMetadata, options_.metadata_device);
  check_one(table.data_device, kPoolData, options_.data_device);
}

PoolStatus Pool::status() const {
  const auto lines = DeviceMapper::status(name());
  if (lines.size() != 1 || lines[0].type != "thin-pool")
    throw Error(Errc::invalid, "reading the status of '" + printable(name()) + "': it is no thin pool");
  return parse_pool_status(lines[0].parameters);
}

uint64_t Pool::free_bytes() const {
  return status().free_data() * parse_pool_table(DeviceMapper::table(name())).block_bytes;
}

static void refuse(const std::string& pool, const std::optional<Refusal>& refusal) {
  if (refusal) throw Error(refusal->code, "changing the pool '" + printable(pool) + "': " + refusal->why);
}

void Pool::check() const { refuse(name(), refuses_changes(status())); }

void Pool::check_for_more() const { refuse(name(), refuses_more(status(), options_.min_free_percent)); }

void Pool::message(const std::string& text) const { DeviceMapper::message(name(), text); }

void Pool::delete_device(int64_t device_id) const {
  static_cast<void>(DeviceMapper::try_message(name(), "delete " + std::to_string(device_id)));
}

}  // namespace cairn::devicemapper
