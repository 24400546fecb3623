// A file system that the machine's own disks may not have, in a sparse file.
#pragma once

#include <filesystem>
#include <string>

#include "tests/support/temp_dir.h"

namespace cairn::test {

// Made by mkfs.TYPE (`make_options`: "-m reflink=0") and mounted (`mount_options`: "pquota") on a directory of its own;
// the file has no name any more, and goes with the mount. Throws Errc::unsupported where that cannot be done.
class LoopFileSystem {
 public:
  explicit LoopFileSystem(const std::string& type, const std::string& mount_options = "",
                          const std::string& make_options = "");
  ~LoopFileSystem();
  LoopFileSystem(const LoopFileSystem&) = delete;
  const std::filesystem::path& path() const { return mount_point_; }

 private:
  TempDir dir_;
  std::filesystem::path mount_point_;
};

// The one btrfs of this process, made when it is first asked for.
std::filesystem::path btrfs_place();

}  // namespace cairn::test
