// The file system on a thin device: which it is, its UUID, making and mounting one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <span>
#include <string>

namespace cairn::devicemapper {

struct BlockFileSystem {
  std::string type;  // "ext4", "xfs" (ext2 and ext3 count as ext4, which mounts them)
  std::string uuid;  // lower case, with dashes
  uint64_t bytes = 0;
};
// From the superblock; nullopt where there is none that is known.
std::optional<BlockFileSystem> probe_file_system(const std::string& node);
constexpr size_t kFileSystemStart = 4096;
std::optional<BlockFileSystem> probe_file_system(std::span<const char, kFileSystemStart> start);

// Runs mkfs.ext4 or mkfs.xfs as engines do; `arguments`: dm.mkfsarg, split at white space. Throws unsupported where the
// program is missing, io with the last line it said.
void make_file_system(const std::string& type, const std::string& node, const std::string& arguments);

// Grows the file system to its device's size, as resize2fs or xfs_growfs do on one that is mounted: on `place`, an
// empty directory, meanwhile.
void grow_file_system(const std::string& type, const std::string& node, const std::filesystem::path& place);

// dm.xfs_nospace_max_retries: how often a mounted xfs tries again to write where there is no space, by default for
// ever.
void limit_xfs_retries(const std::string& node, const std::string& count);

bool has_program(const std::string& name);  // in PATH

// Options for mount(2): xfs needs nouuid, since every snapshot has its parent's. `extra`: dm.mountopt.
std::string mount_options(const std::string& type, const std::string& extra);

}  // namespace cairn::devicemapper
