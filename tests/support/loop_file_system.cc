#include "tests/support/loop_file_system.h"

#include <sys/mount.h>

#include <cstdio>
#include <cstdlib>

#include "core/util/error.h"

namespace cairn::test {

namespace fs = std::filesystem;

static constexpr uintmax_t kSize = uintmax_t{4} << 30;  // sparse

static void run(const std::string& command) {
  if (std::system((command + " >/dev/null 2>&1").c_str()) != 0)
    throw Error(Errc::unsupported, "making a file system: '" + command + "' failed");
}

LoopFileSystem::LoopFileSystem(const std::string& type, const std::string& mount_options,
                               const std::string& make_options)
    : mount_point_(fs::canonical(dir_.path()) / "mounted") {
  if (!running_as_root()) throw Error(Errc::unsupported, "making a file system: mounting it needs root");
  const std::string image = dir_ / "image";
  write_file(image, "");
  fs::resize_file(image, kSize);
  fs::create_directory(mount_point_);
  run("mkfs." + type + " " + make_options + " '" + image + "'");
  run("mount -t " + type + " -o loop" + (mount_options.empty() ? "" : "," + mount_options) + " '" + image + "' '" +
      mount_point_.string() + "'");
  fs::remove(image);
}

LoopFileSystem::~LoopFileSystem() {
  // Detached, so that what a failing test left open in it does not leave it mounted. The loop device goes with it.
  if (::umount2(mount_point_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0)
    std::perror("unmounting a test's file system");
}

fs::path btrfs_place() {
  static const LoopFileSystem place("btrfs");
  return place.path();
}

}  // namespace cairn::test
