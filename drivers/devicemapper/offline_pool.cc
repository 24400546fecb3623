#include "drivers/devicemapper/offline_pool.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <array>

#include "core/layer/store_lock.h"
#include "core/util/error.h"
#include "drivers/devicemapper/block_fs.h"
#include "drivers/devicemapper/metadata.h"
#include "drivers/devicemapper/pool.h"
#include "drivers/devicemapper/thin_image.h"
#include "drivers/sys/scratch.h"

namespace cairn::devicemapper {

static constexpr size_t kAtHand = 4;

static bool is_regular_file(const std::string& device) {
  struct stat st;
  return !device.empty() && ::stat(device.c_str(), &st) == 0 && S_ISREG(st.st_mode);
}

DeviceMapper::Missing OfflinePool::reason() const {
  if (options_.offline) return {"dm.offline says that the pool is not to be started", "leave that option out"};
  for (const auto& device : {options_.data_device, options_.metadata_device})
    if (is_regular_file(device))
      return {"'" + printable(device) + "' is no block device, so that the pool can only be read",
              "'losetup --find --show' makes one of a file"};
  const auto home = home_.try_fd();
  struct statvfs st;
  if (home && ::fstatvfs(*home, &st) == 0 && (st.f_flag & ST_RDONLY) != 0)
    return {"'" + printable(home_.path().string()) + "' is on a read-only file system",
            "mount that for writing, or copy the store elsewhere"};
  std::call_once(asked_, [&] { kernel_ = DeviceMapper::missing({"thin-pool", "thin"}); });
  return kernel_;
}

std::shared_ptr<const OpenDevice> OfflinePool::open(const std::string& hash) {
  const std::lock_guard lock(mutex_);  // others wait, rather than make the same image
  auto device = opened_[hash].lock();
  if (!device) opened_[hash] = device = make(hash, {});
  std::erase(recent_, device);
  recent_.push_front(device);
  if (recent_.size() > kAtHand) recent_.pop_back();
  std::erase_if(opened_, [](const auto& one) { return one.second.expired(); });
  return device;
}

void OfflinePool::show(const std::string& hash, const OpenDevice::WhileSeen& while_seen) { make(hash, while_seen); }

std::shared_ptr<const OpenDevice> OfflinePool::make(const std::string& hash,
                                                    const OpenDevice::WhileSeen& while_seen) const {
  const LoopDevice loop = attach(hash);
  const Scratch scratch;  // a mount point outside of the store
  mkdir_at(scratch.fd(), "device", 0700);
  const DeviceMount mount{hash, loop.node(), scratch.path() / "device", Access::read_only, true};
  return std::make_shared<const OpenDevice>(mount, options_, while_seen);
}

LoopDevice OfflinePool::attach(const std::string& hash) const {
  return while_doing([&] { return "opening the layer '" + printable(hash) + "' without device-mapper"; },
                     [&] {
                       const auto guard = FileLock::wait(home_.fd(), FileLock::Kind::shared);
                       const auto record = Metadata(home_.fd()).device(hash);
                       if (!record || record->deleted) throw Error(Errc::not_found, "it has no device");
                       const Fd metadata_fd = open_part(options_.metadata_device, kPoolMetadata);
                       const Fd data = open_part(options_.data_device, kPoolData);
                       refuse_active(metadata_fd);
                       const ThinMetadata metadata(metadata_fd);
                       check_base(metadata, data.get());
                       const auto id = static_cast<uint64_t>(record->device_id);
                       if (!metadata.device(id))
                         throw Error(Errc::corrupt, "the pool has no device " + std::to_string(id));
                       const auto bytes = static_cast<uint64_t>(record->size);
                       const Fd image = make_thin_image(metadata, id, bytes, data.get());
                       return LoopDevice::attach("/proc/self/fd/" + std::to_string(image.get()));
                     });
}

// The pool's data or metadata: `device`, if named, or the file below HOME.
Fd OfflinePool::open_part(const std::string& device, const char* file) const {
  if (device.empty() && !options_.thin_pool.empty())
    throw Error(Errc::unsupported, "the pool '" + printable(options_.thin_pool) +
                                       "' is the kernel's: copy its parts (of an LVM pool the volumes POOL_tdata and "
                                       "POOL_tmeta), and name the copies with dm.datadev and dm.metadatadev");
  const std::filesystem::path path = device.empty() ? home_.path() / file : std::filesystem::path(device);
  constexpr int kFlags = O_RDONLY | O_NONBLOCK;  // what is no file is not waited for
  const auto st = device.empty() ? stat_at(home_.fd(), file) : std::nullopt;
  if (device.empty() && !st) throw lost_pool_file(path);
  if (st && S_ISLNK(st->st_mode))
    throw Error(Errc::invalid, "'" + printable(path.string()) +
                                   "' is a symbolic link: name what it leads to with dm.datadev or dm.metadatadev");
  Fd fd = device.empty() ? open_at(home_.fd(), file, kFlags | O_NOFOLLOW) : open_at(AT_FDCWD, device, kFlags);
  struct stat opened;
  if (::fstat(fd.get(), &opened) != 0) throw_errno("looking at '" + printable(path.string()) + "'");
  if (!S_ISREG(opened.st_mode) && !S_ISBLK(opened.st_mode))
    throw Error(Errc::corrupt, "'" + printable(path.string()) + "' is neither a file nor a block device");
  return fd;
}

// What the kernel writes meanwhile would be read in pieces that do not belong together.
void OfflinePool::refuse_active(const Fd& metadata) const {
  if (const auto holder = engine_holding(open_at(home_.fd(), "..", O_RDONLY | O_DIRECTORY).get()))
    throw Error(Errc::in_use, "an engine (" + printable(holder->program) + ", pid " + std::to_string(holder->pid) +
                                  ") uses the pool meanwhile: stop the engine first, or read a copy of the store");
  struct stat st;
  if (::fstat(metadata.get(), &st) != 0) throw_errno("looking at the pool's metadata");
  const std::string path = "/proc/self/fd/" + std::to_string(metadata.get());
  const bool is_device = S_ISBLK(st.st_mode);
  const bool active = is_device ? !Fd(::open(path.c_str(), O_RDONLY | O_EXCL | O_CLOEXEC)) && errno == EBUSY
                                : LoopDevice::find(path).has_value();
  if (active)
    throw Error(Errc::in_use, "the pool is active, or something else has its metadata ('" +
                                  printable(path_of(metadata.get())) + "') open as a " + (is_device ? "" : "loop ") +
                                  "device: stop that first, or read a copy");
}

// The UUID of the file system on the base device. What cannot be read of that is not the other devices' damage.
static std::string uuid_of_base(const ThinMetadata& metadata, int data, const DeviceRecord& base) {
  std::array<char, kFileSystemStart> start{};
  const auto block = metadata.data_block(static_cast<uint64_t>(base.device_id), 0);
  if (!block) return "";
  const auto at = static_cast<off_t>(*block * metadata.block_bytes());
  if (::pread(data, start.data(), start.size(), at) != static_cast<ssize_t>(start.size())) return "";
  const auto found = probe_file_system(start);
  return found ? found->uuid : "";
}

// As where the kernel has the pool: another one would give out other layers' blocks.
void OfflinePool::check_base(const ThinMetadata& metadata, int data) const {
  std::string wanted, found;
  try {
    const Metadata records(home_.fd());
    const auto known = records.device_set();
    const auto base = records.device("");
    if (!known || !base || !base->initialized) return;
    wanted = known->base_uuid;
    found = uuid_of_base(metadata, data, *base);
  } catch (const Error& e) {
    if (e.code() != Errc::corrupt) throw;
  }
  if (!wanted.empty() && !found.empty() && found != wanted)
    throw Error(Errc::corrupt, "the pool's base device has the UUID " + found + ", the store's has the UUID " +
                                   printable(wanted) +
                                   ": these are another pool's data and metadata than the store was made with");
}

}  // namespace cairn::devicemapper
