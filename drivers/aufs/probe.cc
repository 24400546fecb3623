// Whether aufs' layers can be made and shown here, found out by trying.
#include <fcntl.h>
#include <unistd.h>

#include "core/util/error.h"
#include "core/util/fd.h"
#include "drivers/aufs/branches.h"
#include "drivers/aufs/driver.h"
#include "drivers/sys/mount.h"
#include "drivers/sys/overlay.h"
#include "drivers/sys/scratch.h"

namespace cairn::aufs {

// Layers are shown by overlayfs and masks in a tmpfs; all of this takes place in a tmpfs of its own.
static void try_masks() {
  const Scratch scratch;
  for (const char* sub : {"a", "b", "to"}) mkdir_at(scratch.fd(), sub, 0700);
  MountGuard(overlay_spec(scratch.path(), {{"a", "b"}, "", ""}, {}, scratch.path() / "to",
                          static_cast<size_t>(::getpagesize())))
      .unmount();
}

DriverStatus Aufs::probe() const {
  DriverStatus status;
  const auto home = home_.try_fd();
  if (::geteuid() != 0) {
    status.readable = !home || ::faccessat(*home, "diff", R_OK | X_OK, AT_EACCESS) == 0;
    status.writable = status.mountable = false;
    status.why_not =
        "not root: layers hold files of any owner, devices and capabilities, and mounting needs "
        "CAP_SYS_ADMIN";
    status.remedy = "run as root";
    return status;
  }
  status.writable_mounts = kernel_has_file_system("aufs");
  if (!status.writable_mounts) {
    status.why_not = "this kernel has no aufs: mounts are read-only";
    status.remedy = "'modprobe aufs' where it was built for this kernel";
    try {
      try_masks();
    } catch (const Error& e) {
      status.mountable = false;
      status.why_not = e.what();
      status.remedy = "'modprobe overlay', or run where mounting is allowed";
    }
  }
  if (home && ::faccessat(*home, ".", W_OK, AT_EACCESS) != 0) {  // reading and mounting may well do
    status.writable = false;
    status.why_not = "the store cannot be written to: read-only file system";
    status.remedy = "remount it for writing, or only read and mount";
  }
  return status;
}

}  // namespace cairn::aufs
