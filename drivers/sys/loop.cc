#include "drivers/sys/loop.h"

#include <linux/fs.h>
#include <linux/loop.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cerrno>
#include <cstring>

#include "core/util/error.h"

namespace cairn {

static constexpr const char* kControl = "/dev/loop-control";

static std::string node_of(int number) { return "/dev/loop" + std::to_string(number); }

// Without udev and devtmpfs nobody makes the node.
static void ensure_node(int number) {
  constexpr unsigned kLoopMajor = 7;
  const std::string node = node_of(number);
  if (!exists_at(AT_FDCWD, node) &&
      ::mknod(node.c_str(), S_IFBLK | 0660, makedev(kLoopMajor, static_cast<unsigned>(number))) != 0 && errno != EEXIST)
    throw_errno("making '" + node + "'");
}

static bool shows(int loop, const struct stat& file) {
  loop_info64 info{};
  return ::ioctl(loop, LOOP_GET_STATUS64, &info) == 0 && info.lo_device == file.st_dev && info.lo_inode == file.st_ino;
}

static struct stat stat_of(const std::string& path) {
  struct stat st;
  if (::stat(path.c_str(), &st) != 0) throw_errno("looking at '" + printable(path) + "'");
  return st;
}

std::optional<LoopDevice> LoopDevice::find(const std::string& path) {
  const struct stat file = stat_of(path);
  for (const auto& name : list_dir(open_dir("/sys/block").get())) {
    if (!name.starts_with("loop") || !exists_at(AT_FDCWD, "/sys/block/" + name + "/loop")) continue;
    Fd fd(::open(("/dev/" + name).c_str(), O_RDONLY | O_CLOEXEC));  // after a writer udev looks into a device anew
    if (fd && shows(fd.get(), file)) return LoopDevice(std::move(fd), "/dev/" + name);
  }
  return std::nullopt;
}

LoopDevice LoopDevice::attach(const std::string& path) {
  if (auto found = find(path)) return std::move(*found);
  const Fd control(::open(kControl, O_RDWR | O_CLOEXEC));
  if (!control)
    throw Error(Errc::unsupported, "making a loop device for '" + printable(path) + "': " + kControl +
                                       " cannot be opened: " + std::strerror(errno) + "; load the module 'loop'");
  const Fd file = open_at(AT_FDCWD, path, O_RDWR);
  for (int attempt = 0; attempt < 64; ++attempt) {  // another process may take the free one first
    const int number = ::ioctl(control.get(), LOOP_CTL_GET_FREE);
    if (number < 0) throw_errno("looking for a free loop device");
    ensure_node(number);
    Fd loop = open_at(AT_FDCWD, node_of(number), O_RDWR);
    if (::ioctl(loop.get(), LOOP_SET_FD, file.get()) != 0) {
      if (errno == EBUSY) continue;
      throw_errno("making '" + node_of(number) + "' show '" + printable(path) + "'");
    }
    loop_info64 info{};
    info.lo_flags = LO_FLAGS_AUTOCLEAR;
    std::strncpy(reinterpret_cast<char*>(info.lo_file_name), path.c_str(), LO_NAME_SIZE - 1);
    if (::ioctl(loop.get(), LOOP_SET_STATUS64, &info) != 0) {
      const int err = errno;
      ::ioctl(loop.get(), LOOP_CLR_FD, 0);
      throw_errno("setting up '" + node_of(number) + "'", err);
    }
    return LoopDevice(std::move(loop), node_of(number));
  }
  throw Error(Errc::in_use, "looking for a free loop device: others took each one first");
}

bool LoopDevice::is(const std::string& device) const {
  struct stat st;
  if (::fstat(fd_.get(), &st) != 0) throw_errno("looking at '" + node_ + "'");
  return device == std::to_string(major(st.st_rdev)) + ":" + std::to_string(minor(st.st_rdev));
}

void LoopDevice::use_new_size() const {
  if (::ioctl(fd_.get(), LOOP_SET_CAPACITY, 0) != 0) throw_errno("growing '" + node_ + "'");
}

uint64_t block_device_size(const std::string& node) {
  const Fd fd = open_at(AT_FDCWD, node, O_RDONLY);
  uint64_t bytes = 0;
  if (::ioctl(fd.get(), BLKGETSIZE64, &bytes) != 0) throw_errno("reading the size of '" + printable(node) + "'");
  return bytes;
}

}  // namespace cairn
