#include "drivers/sys/overlay_probe.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <cstdio>
#include <memory>

#include "core/util/error.h"
#include "core/util/xfs_flags.h"
#include "drivers/sys/mount.h"
#include "drivers/sys/overlay.h"
#include "drivers/sys/overlay_marks.h"

namespace cairn {

namespace {

// An xfs without file types tells the types of "." and "..", so an empty directory of it gives nothing away.
bool tells_file_types(int dir) {
  if (const auto flags = xfs_flags(dir)) return (*flags & kXfsFileTypes) != 0;
  const std::unique_ptr<DIR, int (*)(DIR*)> list(::fdopendir(open_dir_at(dir, ".").release()), ::closedir);
  if (!list) throw_errno("listing '" + printable(path_of(dir)) + "'");
  while (const dirent* entry = ::readdir(list.get()))
    if (entry->d_type == DT_UNKNOWN) return false;
  return true;
}

void require_file_types(int dir) {
  if (!tells_file_types(dir))
    throw Error(Errc::unsupported, "the file system does not tell file types in directory listings (d_type)");
}

// In a directory of its own that is gone afterwards.
class Trial {
 public:
  explicit Trial(int home) : home_(home), name_(".probe-cairn-" + random_hex(8)) {
    mkdir_at(home_, name_, 0700);
    dir_ = open_dir_at(home_, name_);
    for (const char* sub : {"a", "b", "to"}) mkdir_at(dir_.get(), sub, 0700);
  }
  ~Trial() {
    try {
      remove_tree_at(home_, name_);
    } catch (const std::exception& e) {
      std::fprintf(stderr, "cairn: warning: %s\n", e.what());
    }
  }

  int dir() const { return dir_.get(); }
  void write_marks() const {
    write_whiteout(dir_.get(), "gone");
    write_opaque(dir_.get());
  }
  void mount() const {
    const OverlayLayers layers{{"a", "b"}, "", ""};
    const std::filesystem::path here = path_of(dir_.get());
    MountGuard(overlay_spec(here, layers, {}, here / "to", static_cast<size_t>(::getpagesize()))).unmount();
  }

 private:
  int home_;
  std::string name_;
  Fd dir_;
};

constexpr const char* kNoWhiteouts = "put the store on ext4, or xfs made with ftype=1, that is not itself an overlay";

// Where there is no home yet, and a look must not make one.
void look_around(int dir, DriverStatus& status) {
  struct statfs fs;
  const bool overlay = ::fstatfs(dir, &fs) == 0 && fs.f_type == OVERLAYFS_SUPER_MAGIC;
  if (!overlay && tells_file_types(dir)) return;
  status.writable = status.mountable = false;
  status.why_not =
      "'" + printable(path_of(dir)) + "' is on " +
      (overlay ? "an overlay itself" : "a file system that does not tell file types in directory listings (d_type)");
  status.remedy = kNoWhiteouts;
}

void try_out(int home, DriverStatus& status) {
  try {
    status.writable = false;
    const Trial trial(home);
    status.remedy = kNoWhiteouts;
    require_file_types(trial.dir());
    trial.write_marks();
    status.writable = true;
    status.remedy = "'modprobe overlay', or run where mounting is allowed";
    trial.mount();
    status.remedy.clear();
  } catch (const Error& e) {
    status.mountable = false;
    status.why_not = e.what();
  }
}

}  // namespace

DriverStatus probe_overlay(const LayerHome& layers) {
  DriverStatus status;
  const auto home = layers.try_fd();
  if (::geteuid() != 0) {
    status.writable = status.mountable = false;
    status.readable = !home || ::faccessat(*home, ".", R_OK | X_OK, AT_EACCESS) == 0;
    status.why_not = "not root: whiteouts are device nodes and trusted xattrs, and mounting needs CAP_SYS_ADMIN";
    status.remedy = "run as root";
    return status;
  }
  const bool may_try = home && ::faccessat(*home, ".", W_OK, AT_EACCESS) == 0;
  if (may_try) {
    try_out(*home, status);
    return status;
  }
  if (home) {  // reading and mounting may well do
    status.writable = false;
    status.why_not = "the store cannot be written to: read-only file system";
    status.remedy = "remount it for writing, or only read and mount";
  }
  if (!home) look_around(layers.nearest().get(), status);
  if (status.mountable && !kernel_has_file_system("overlay")) {
    status.mountable = false;
    status.why_not = "this kernel has no overlay file system";
    status.remedy = "boot one that has it (CONFIG_OVERLAY_FS), with its modules installed";
  }
  return status;
}

}  // namespace cairn
