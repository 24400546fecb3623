// What is mounted, as the kernel lists it for this process (/proc/self/mountinfo).
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <string>
#include <vector>

namespace cairn {

struct Mounted {
  std::filesystem::path target;
  std::string type;
  std::string source;   // as the mounting program gave it
  std::string root;     // the directory of that file system that is shown: a bind mount's source
  std::string options;  // the file system's own: lowerdir=…,upperdir=…
  dev_t device = 0;
};

std::vector<Mounted> mount_table();

// `canonical`: absolute, without symbolic links.
bool is_mount_point(const std::filesystem::path& canonical);
// Mount points at or below `canonical`.
std::vector<Mounted> mounted_below(const std::vector<Mounted>& table, const std::filesystem::path& canonical);

// The directories an overlay's options name, in the order lowerdir (uppermost first), upperdir.
std::vector<std::string> overlay_branches(const std::string& options);

}  // namespace cairn
