// What a failing test leaves mounted must not disturb the next one, nor the removal of its directory.
#pragma once

#include <sys/mount.h>

#include <algorithm>
#include <filesystem>

#include "drivers/sys/mount_table.h"

namespace cairn::test {

// Detaches all that is mounted at or below `dir`, the innermost first.
inline void unmount_leftovers(const std::filesystem::path& dir) {
  auto left = mounted_below(mount_table(), std::filesystem::canonical(dir));
  std::reverse(left.begin(), left.end());
  for (const auto& one : left) ::umount2(one.target.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
}

}  // namespace cairn::test
