#include "drivers/devicemapper/block_fs.h"

#include <spawn.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>
#include <sstream>
#include <vector>

#include "core/util/error.h"
#include "core/util/fd.h"
#include "drivers/sys/mount.h"

extern char** environ;

namespace cairn::devicemapper {

static std::string uuid_text(const unsigned char* bytes) {
  constexpr const char* kHex = "0123456789abcdef";
  std::string out;
  for (size_t i = 0; i < 16; ++i) {
    if (i == 4 || i == 6 || i == 8 || i == 10) out += '-';
    out += {kHex[bytes[i] >> 4], kHex[bytes[i] & 15]};
  }
  return out;
}

template <size_t N>
static uint64_t little_endian(const unsigned char* at) {
  uint64_t out = 0;
  for (size_t i = N; i-- > 0;) out = out << 8 | at[i];
  return out;
}

template <size_t N>
static uint64_t big_endian(const unsigned char* at) {
  uint64_t out = 0;
  for (size_t i = 0; i < N; ++i) out = out << 8 | at[i];
  return out;
}

std::optional<BlockFileSystem> probe_file_system(const std::string& node) {
  const Fd fd = open_at(AT_FDCWD, node, O_RDONLY);
  std::array<char, kFileSystemStart> start{};
  if (read_full(fd.get(), start) < start.size()) return std::nullopt;
  return probe_file_system(start);
}

std::optional<BlockFileSystem> probe_file_system(std::span<const char, kFileSystemStart> start) {
  constexpr size_t kExt = 0x400, kExtBlocks = 4, kExtBlockSize = 24, kExtMagic = 56, kExtUuid = 104,
                   kExtBlocksHigh = 336;
  constexpr size_t kXfsBlockSize = 4, kXfsBlocks = 8, kXfsUuid = 32;
  const auto* bytes = reinterpret_cast<const unsigned char*>(start.data());
  if (std::memcmp(bytes, "XFSB", 4) == 0)
    return BlockFileSystem{"xfs", uuid_text(bytes + kXfsUuid),
                           big_endian<4>(bytes + kXfsBlockSize) * big_endian<8>(bytes + kXfsBlocks)};
  const auto* ext = bytes + kExt;
  if (little_endian<2>(ext + kExtMagic) != 0xef53) return std::nullopt;
  const uint64_t blocks = little_endian<4>(ext + kExtBlocks) | little_endian<4>(ext + kExtBlocksHigh) << 32;
  return BlockFileSystem{"ext4", uuid_text(ext + kExtUuid), blocks << (10 + little_endian<4>(ext + kExtBlockSize) % 7)};
}

// Runs a program of the system's PATH without a shell; what it says on stderr ends up in the error.
static void run(const std::vector<std::string>& command) {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) throw_errno("running '" + command[0] + "'");
  Fd out(ends[0]), in(ends[1]);
  std::vector<char*> arguments;
  arguments.reserve(command.size() + 1);
  for (const auto& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
  posix_spawn_file_actions_adddup2(&actions, in.get(), 1);
  posix_spawn_file_actions_adddup2(&actions, in.get(), 2);
  pid_t pid = 0;
  const int failed = ::posix_spawnp(&pid, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed == ENOENT)
    throw Error(Errc::unsupported, "running '" + command[0] + "': it is not installed (e2fsprogs, xfsprogs)");
  if (failed != 0) throw_errno("running '" + command[0] + "'", failed);
  in.reset();
  std::string said;
  std::array<char, 4096> part;
  while (const size_t n = read_some(out.get(), part))
    if (said.size() < (64 << 10)) said.append(part.data(), n);
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0)
    if (errno != EINTR) throw_errno("waiting for '" + command[0] + "'");
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return;
  while (said.ends_with('\n')) said.pop_back();
  throw Error(Errc::io, "running '" + command[0] + "' on '" + command.back() +
                            "': it failed: " + printable(said.substr(said.rfind('\n') + 1), 200));
}

void make_file_system(const std::string& type, const std::string& node, const std::string& arguments) {
  std::vector<std::string> command;
  if (type == "ext4")
    command = {"mkfs.ext4", "-E", "nodiscard,lazy_itable_init=0,lazy_journal_init=0"};
  else if (type == "xfs")
    command = {"mkfs.xfs"};
  else
    throw Error(Errc::unsupported, "making a file system: dm.fs is '" + printable(type) + "', known are ext4 and xfs");
  std::istringstream words(arguments);
  for (std::string word; words >> word;) command.push_back(word);
  command.push_back(node);
  run(command);
  if (type == "ext4") run({"tune2fs", "-c", "-1", "-i", "0", node});
}

void grow_file_system(const std::string& type, const std::string& node, const std::filesystem::path& place) {
  MountGuard mounted({type, node, place, 0, mount_options(type, ""), {}});
  if (type == "xfs")
    run({"xfs_growfs", place.string()});
  else
    run({"resize2fs", node});
  mounted.unmount();
}

void limit_xfs_retries(const std::string& node, const std::string& count) {
  struct stat st;
  if (::stat(node.c_str(), &st) != 0) throw_errno("looking at '" + printable(node) + "'");
  const std::string number = std::to_string(major(st.st_rdev)) + ":" + std::to_string(minor(st.st_rdev));
  const auto device = std::filesystem::read_symlink("/sys/dev/block/" + number).filename().string();
  const Fd fd = open_at(AT_FDCWD, "/sys/fs/xfs/" + device + "/error/metadata/ENOSPC/max_retries", O_WRONLY);
  write_all(fd.get(), count);
}

bool has_program(const std::string& name) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');)
    if (::access((folder + "/" + name).c_str(), X_OK) == 0) return true;
  return false;
}

std::string mount_options(const std::string& type, const std::string& extra) {
  std::string out = type == "xfs" ? "nouuid" : "";
  if (!extra.empty()) out += (out.empty() ? "" : ",") + extra;
  return out;
}

}  // namespace cairn::devicemapper
