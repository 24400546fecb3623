// Mounting and unmounting: drivers/sys is the only caller of libmount. Nothing here keeps a mount table of its own
// (/etc/mtab, utab), runs a helper program or needs udev: the kernel's table is the truth, since a mount outlives us.
#pragma once

#include <filesystem>
#include <string>
#include <utility>

namespace cairn {

// One mount(2). Made by pure functions, which need no root to test.
struct MountSpec {
  std::string type;  // "overlay"; empty for a bind mount or a remount
  std::string source;
  std::filesystem::path target;     // absolute, without symbolic links
  unsigned long flags = 0;          // MS_…
  std::string data;                 // as the kernel gets it: no library parses it on the way
  std::filesystem::path directory;  // relative paths in `source` and `data` start here; the caller's cwd stays as it is

  bool operator==(const MountSpec&) const = default;
};

// Shows the directory `source` at `target`. MS_RDONLY needs a second step, which MountGuard makes.
MountSpec bind_spec(const std::filesystem::path& source, const std::filesystem::path& target, bool read_only);

class MountGuard {
 public:
  explicit MountGuard(const MountSpec& spec);  // mounts, or throws (in_use, unsupported, …) and owns nothing
  MountGuard(MountGuard&& other) noexcept : target_(std::exchange(other.target_, {})) {}
  MountGuard& operator=(MountGuard&&) = delete;
  ~MountGuard();                                                                   // unmounts; a failure is a warning
  void unmount();                                                                  // throws in_use and still owns it
  std::filesystem::path release() noexcept { return std::exchange(target_, {}); }  // the mount outlives this process
  const std::filesystem::path& target() const noexcept { return target_; }

 private:
  std::filesystem::path target_;
};

// Whether this kernel can mount file systems of `type`. Where it may, it loads the module for that, as a mount would.
bool kernel_has_file_system(const std::string& type);

// `target` as the kernel names it. Throws not_found, invalid if it is no directory, in_use if it is a mount point.
std::filesystem::path free_mount_point(const std::filesystem::path& target);

}  // namespace cairn
