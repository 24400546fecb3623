#include "drivers/devicemapper/open_device.h"

#include <sys/mount.h>

#include "core/util/error.h"
#include "drivers/devicemapper/block_fs.h"
#include "drivers/sys/mount.h"

namespace cairn::devicemapper {

static void mount_in_place(const DeviceMount& device, const Options& options) {
  const auto found = probe_file_system(device.node);
  if (!found) throw Error(Errc::corrupt, "its device has neither ext4 nor xfs");
  MountSpec spec{found->type, device.node, device.place, 0, mount_options(found->type, options.mount_options), {}};
  const auto add_option = [&](const char* option) {
    spec.data += (spec.data.empty() ? "" : ",") + std::string(option);
  };
  if (device.access == Access::read_only) spec.flags = MS_RDONLY;
  // A file system may ask for a kernel panic when it is found damaged; and a copy need not outlive a power cut.
  if (device.is_copy && found->type == "ext4") add_option("errors=remount-ro,barrier=0");
  try {
    MountGuard(spec).release();
  } catch (const Error& e) {
    if (device.access == Access::read_write || device.is_copy) throw;
    // Mounted for writing elsewhere: then this is the same file system. Or it wants its journal replayed, which would
    // write to it.
    if (e.code() == Errc::in_use)
      spec.flags = 0;
    else
      add_option(found->type == "xfs" ? "norecovery" : "noload");
    MountGuard(spec).release();
  }
  if (found->type == "xfs" && !options.xfs_retries.empty()) limit_xfs_retries(device.node, options.xfs_retries);
}

OpenDevice::OpenDevice(const DeviceMount& mount, const Options& options, const WhileSeen& while_seen) {
  const auto hide = [&] { ::umount2(mount.place.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW); };  // EINVAL where none is
  try {
    while_doing([&] { return "mounting the layer '" + printable(mount.layer) + "'"; },
                [&] { mount_in_place(mount, options); });
    top_ = open_dir(mount.place.string());
    if (while_seen) while_seen(*this);
  } catch (...) {
    hide();
    throw;
  }
  hide();
}

std::optional<Fd> OpenDevice::try_tree() const {
  return try_open_at(top_.get(), kTree, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
}

Fd OpenDevice::make_tree() const {
  ensure_dir_at(top_.get(), kTree, 0755);
  return open_dir_at(top_.get(), kTree);
}

}  // namespace cairn::devicemapper
