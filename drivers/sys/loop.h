// Loop devices: a file as a block device.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "core/util/fd.h"

namespace cairn {

class LoopDevice {
 public:
  // The loop device that shows the file `path` (compared by device and inode), or a free one that then does. It goes
  // when its last user closes it (autoclear): device-mapper, once a table names it, or this object.
  // Throws unsupported where the kernel has none.
  static LoopDevice attach(const std::string& path);
  // nullopt when none shows the file.
  static std::optional<LoopDevice> find(const std::string& path);

  const std::string& node() const noexcept { return node_; }  // "/dev/loop3"
  bool is(const std::string& device) const;                   // "7:3"
  void use_new_size() const;                                  // after the file has grown

 private:
  LoopDevice(Fd fd, std::string node) : fd_(std::move(fd)), node_(std::move(node)) {}
  Fd fd_;  // keeps it from being cleared
  std::string node_;
};

uint64_t block_device_size(const std::string& node);  // bytes

}  // namespace cairn
