#include "cli/surroundings.h"

#include <fcntl.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "cli/wiring.h"
#include "core/layer/store_lock.h"
#include "core/util/fd.h"
#include "core/util/remapped_root.h"

namespace cairn {

static bool works(const DriverStatus& status) {
  return status.readable && status.writable && status.mountable && status.writable_mounts;
}

static bool is_same_directory(int fd, const std::string& path) {
  struct stat a, b;
  return ::fstat(fd, &a) == 0 && ::stat(path.c_str(), &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

static bool is_empty_or_absent(const std::string& path) {
  const auto dir = try_open_at(AT_FDCWD, path, O_RDONLY | O_DIRECTORY);
  return !dir || list_dir(dir->get()).empty();
}

Surroundings surroundings_of(const std::string& root, const Globals& globals) {
  Surroundings here;
  here.only = globals.driver;
  const Fd root_fd = open_dir(root);
  struct statvfs fs;
  here.read_only = ::fstatvfs(root_fd.get(), &fs) == 0 && (fs.f_flag & ST_RDONLY) != 0;
  const std::filesystem::path path(path_of(root_fd.get()));
  if (remapped_root(path)) here.new_root += "/" + path.filename().string();
  here.is_new_root = is_same_directory(root_fd.get(), here.new_root);
  here.new_root_is_free = is_empty_or_absent(here.new_root);
  // Of a store that is not there yet: to try a driver out where one is would write to it.
  const std::filesystem::path place = std::filesystem::path(here.read_only ? kNewRoot : root) / ".cairn-switch/new";
  for (const char* name : {"overlay2", "btrfs", "vfs"}) {
    const DriverStatus status = probe_new_store(name, place);
    if (works(status) || ::geteuid() != 0)  // who may not try is not told that nothing works
      here.usable.emplace_back(name);
    else
      here.unusable.emplace_back(name, status.why_not);
  }
  here.thin_pools = probe_new_store("devicemapper", place).writable;
  if (const auto holder = engine_holding(root_fd.get()))
    here.engine = holder->program + ", pid " + std::to_string(holder->pid);
  return here;
}

}  // namespace cairn
