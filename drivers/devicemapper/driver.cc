#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <functional>

#include "core/util/error.h"
#include "core/util/usage.h"
#include "drivers/devicemapper/block_fs.h"
#include "drivers/devicemapper/device_set.h"
#include "drivers/devicemapper/devicemapper.h"
#include "drivers/devicemapper/offline_pool.h"
#include "drivers/devicemapper/open_device.h"
#include "drivers/sys/implied.h"
#include "drivers/sys/merge_own.h"
#include "drivers/sys/mount.h"
#include "drivers/sys/mount_table.h"
#include "drivers/sys/overlay_marks.h"

namespace cairn {

namespace fs = std::filesystem;

namespace devicemapper {
namespace {

std::string stage_of(const LayerId& id) { return std::string(kStage) + id.str(); }

// The device goes with its last user. It is seen on a directory of its own below HOME/mnt.
std::unique_ptr<OpenDevice> open_device(DeviceSet& devices, const std::string& hash, Access access,
                                        const OpenDevice::WhileSeen& while_seen = {}) {
  std::unique_ptr<OpenDevice> out;
  const auto dm_access = access == Access::read_only ? DmAccess::read_only : DmAccess::read_write;
  devices.use(hash, dm_access, [&](const std::string& node) {
    const int home = devices.home().fd();
    ensure_dir_at(home, "mnt", 0755);
    const std::string name = "mnt/" + std::string(kStage) + random_hex(8);
    mkdir_at(home, name, 0700);
    try {
      const DeviceMount mount{hash, node, devices.home().path() / name, access};
      out = std::make_unique<OpenDevice>(mount, devices.options(), while_seen);
    } catch (...) {
      ::unlinkat(home, name.c_str(), AT_REMOVEDIR);
      throw;
    }
    ::unlinkat(home, name.c_str(), AT_REMOVEDIR);
  });
  return out;
}

class DeviceMapperDriver : public Driver {
 public:
  DeviceMapperDriver(const fs::path& root, Options options) : devices_(root, std::move(options)) {}

  std::string_view name() const noexcept override { return "devicemapper"; }
  DriverStatus probe() const override;
  bool layers_stand_alone() const noexcept override { return true; }
  bool layers_are_directories() const noexcept override { return false; }
  bool exists(const LayerId& id) const override { return devices_.find(id.str()).has_value(); }
  std::vector<LayerId> list() const override;
  void create(const LayerId& id, const std::optional<LayerId>& parent) override;
  std::unique_ptr<DiffTarget> begin(const LayerId& id) override;
  void remove(const LayerId& id) override;
  Tree tree(const LayerId& id) const override;
  int64_t layer_size(const LayerId& id, int64_t content_bytes) const override;
  uint64_t disk_usage(const LayerId& id) const override;
  void mount(const LayerId& id, Access access, const fs::path& target) override;
  int home_fd() const override { return devices_.home().fd(); }

  DeviceSet& devices() const { return devices_; }

 private:
  std::shared_ptr<const OpenDevice> open(const LayerId& id) const;
  void refuse_offline() const;

  mutable DeviceSet devices_;
  mutable OfflinePool offline_{devices_.home(), devices_.options()};
};

// The layer's own entries, with overlay's marks, on a device of their own until the parent is known. Without a parent
// that device becomes the layer.
class DeviceTarget : public DiffTarget {
 public:
  DeviceTarget(DeviceMapperDriver& driver, const LayerId& id) : driver_(driver), id_(id) {
    if (driver_.exists(id)) throw Error(Errc::already_exists, "making the layer '" + id.str() + "': it exists");
    driver_.devices().create(stage_of(id), "");
    device_ = open_device(driver_.devices(), stage_of(id), Access::read_write);
    tree_ = device_->make_tree();
  }
  ~DeviceTarget() override;
  int root_fd() const override { return tree_.get(); }
  void hide(int dir_fd, const std::string& name) override { write_whiteout(dir_fd, name); }
  void make_opaque(int dir_fd) override { write_opaque(dir_fd); }
  void finish(const std::optional<LayerId>& parent, const std::vector<std::string>& implied_dirs) override;

 private:
  void close() { tree_.reset(), device_.reset(); }
  void check_room() const;
  DeviceMapperDriver& driver_;
  LayerId id_;
  std::unique_ptr<OpenDevice> device_;
  Fd tree_;
};

DeviceTarget::~DeviceTarget() {
  try {
    close();
    driver_.devices().remove(stage_of(id_));
  } catch (const std::exception& e) {
    std::fprintf(stderr, "cairn: warning: %s\n", e.what());
  }
}

// Kernels tell of a full pool in several ways, or not at all.
static void sync_to_pool(DeviceSet& devices, int tree) {
  try {
    sync_file_system(tree);
  } catch (const Error&) {
    devices.check_pool();
    throw;
  }
  devices.check_pool();
}

// The layer's entries are about to be copied. A pool that is too small for that is found now: what the kernel cannot
// write later it drops.
void DeviceTarget::check_room() const {
  struct statvfs st;
  if (::fstatvfs(tree_.get(), &st) != 0) throw_errno("looking at the file system of '" + id_.str() + "'");
  const uint64_t used = (st.f_blocks - st.f_bfree) * st.f_frsize;
  DeviceSet& devices = driver_.devices();
  devices.check_pool();
  if (devices.free_bytes() >= 2 * used) return;  // room for what is not written yet, and for the copy
  sync_to_pool(devices, tree_.get());
  devices.check_room(used);
}

void DeviceTarget::finish(const std::optional<LayerId>& parent, const std::vector<std::string>& implied_dirs) {
  while_doing([&] { return "finishing the layer '" + id_.str() + "'"; },
              [&] {
                DeviceSet& devices = driver_.devices();
                const std::string whole = stage_of(id_) + "-whole";
                check_room();
                devices.create(whole, parent ? parent->str() : "");
                try {
                  complete_implied(tree_.get(), parent ? driver_.tree(*parent) : Tree(), implied_dirs);
                  const auto device = open_device(devices, whole, Access::read_write);
                  const Fd tree = device->make_tree();
                  merge_own(tree_.get(), plain_snapshot(tree.get()));
                  sync_to_pool(devices, tree.get());
                } catch (...) {
                  devices.remove(whole);
                  throw;
                }
                close();
                devices.remove(stage_of(id_));
                devices.rename(whole, id_.str());
              });
}

std::vector<LayerId> DeviceMapperDriver::list() const {
  std::vector<LayerId> out;
  for (std::string hash : devices_.list()) {
    if (hash.starts_with(kStage)) hash.erase(0, kStage.size());
    if (hash.ends_with("-whole")) hash.erase(hash.size() - 6);
    if (out.empty() || out.back() != LayerId(hash)) out.emplace_back(hash);
  }
  std::sort(out.begin(), out.end());
  out.erase(std::unique(out.begin(), out.end()), out.end());
  return out;
}

void DeviceMapperDriver::create(const LayerId& id, const std::optional<LayerId>& parent) {
  while_doing([&] { return "creating the layer '" + id.str() + "'"; },
              [&] {
                refuse_offline();
                devices_.create(id.str(), parent ? parent->str() : "");
                if (parent) return;
                try {
                  const auto device = open_device(devices_, id.str(), Access::read_write);
                  sync_file_system(device->make_tree().get());
                } catch (...) {
                  devices_.remove(id.str());
                  throw;
                }
              });
}

std::unique_ptr<DiffTarget> DeviceMapperDriver::begin(const LayerId& id) {
  while_doing([&] { return "making the layer '" + id.str() + "'"; }, [&] { refuse_offline(); });
  return std::make_unique<DeviceTarget>(*this, id);
}

void DeviceMapperDriver::remove(const LayerId& id) {
  while_doing([&] { return "removing the layer '" + id.str() + "'"; },
              [&] {
                const auto parts = {id.str(), stage_of(id) + "-whole", stage_of(id)};
                if (offline_.in_use()) {
                  if (std::any_of(parts.begin(), parts.end(), [&](const auto& hash) { return devices_.find(hash); }))
                    refuse_offline();
                  return;
                }
                for (const auto& hash : parts) devices_.remove(hash);
                if (const auto home = devices_.home().try_fd())
                  ::unlinkat(*home, ("mnt/" + id.str()).c_str(), AT_REMOVEDIR);  // engines make them
              });
}

std::shared_ptr<const OpenDevice> DeviceMapperDriver::open(const LayerId& id) const {
  if (offline_.in_use()) return offline_.open(id.str());
  return open_device(devices_, id.str(), Access::read_only);
}

// Before anything that writes.
void DeviceMapperDriver::refuse_offline() const {
  const auto reason = offline_.reason();
  if (!reason.why.empty())
    throw Error(Errc::unsupported, "the store can only be read: " + reason.why + "; " + reason.remedy);
}

Tree DeviceMapperDriver::tree(const LayerId& id) const {
  const auto device = open(id);
  auto top = device->try_tree();
  if (!top) return Tree();
  return Tree({Branch{std::make_shared<Fd>(std::move(*top)), WhiteoutStyle::none}},
              std::const_pointer_cast<OpenDevice>(device));
}

int64_t DeviceMapperDriver::layer_size(const LayerId& id, int64_t content_bytes) const {
  if (!exists(id)) throw Error(Errc::not_found, "opening the layer '" + id.str() + "': it has no device");
  return content_bytes;
}

uint64_t DeviceMapperDriver::disk_usage(const LayerId& id) const {
  const auto device = open(id);
  const auto tree = device->try_tree();
  return tree ? usage_of(tree->get()).on_disk : 0;
}

void DeviceMapperDriver::mount(const LayerId& id, Access access, const fs::path& target) {
  const fs::path place = free_mount_point(target);
  const auto show = [&](const OpenDevice& seen) {
    const auto tree = access == Access::read_write ? std::optional(seen.make_tree()) : seen.try_tree();
    if (!tree)
      throw Error(Errc::corrupt, "mounting the layer '" + id.str() + "': its device has no directory '" + kTree + "'");
    MountGuard(bind_spec(path_of(tree->get()), place, access == Access::read_only)).release();
  };
  if (!offline_.in_use()) {
    open_device(devices_, id.str(), access, show);
    return;
  }
  if (access == Access::read_write)
    while_doing([&] { return "mounting the layer '" + id.str() + "' for writing"; }, [&] { refuse_offline(); });
  offline_.show(id.str(), show);
}

// What a new store needs besides; one that is there has its file system, and perhaps devices in place of loop files.
static DeviceMapper::Missing missing_for_new_store(const Options& options) {
  if (options.on_loop_files() && !exists_at(AT_FDCWD, "/dev/loop-control"))
    return {
        "there are no loop devices: /dev/loop-control is missing",
        "'modprobe loop' may add them, or name block devices with dm.thinpooldev, or dm.datadev and dm.metadatadev"};
  const std::string type = options.file_system.empty() ? "ext4" : options.file_system;
  if (!has_program("mkfs." + type))
    return {"'mkfs." + type + "' is not installed", type == "xfs" ? "install xfsprogs" : "install e2fsprogs"};
  return {};
}

DriverStatus DeviceMapperDriver::probe() const {
  DriverStatus status;
  const auto offline = offline_.reason();
  if (!offline.why.empty()) {
    status.readable = status.mountable = ::geteuid() == 0 && exists_at(AT_FDCWD, "/dev/loop-control");
    status.writable = status.writable_mounts = false;
    status.why_not = offline.why, status.remedy = offline.remedy;
    return status;
  }
  const auto home = devices_.home().try_fd();
  if (home && exists_at(*home, "metadata/base")) return status;
  const auto missing = missing_for_new_store(devices_.options());
  status.writable = missing.why.empty();
  status.why_not = missing.why, status.remedy = missing.remedy;
  return status;
}

}  // namespace
}  // namespace devicemapper

std::unique_ptr<Driver> open_devicemapper(const fs::path& root, const DriverOptions& options) {
  return std::make_unique<devicemapper::DeviceMapperDriver>(root, devicemapper::Options::parse(options));
}

}  // namespace cairn
