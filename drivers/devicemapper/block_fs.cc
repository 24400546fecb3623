#include "drivers/devicemapper/block_fs.h"

#include <spawn.h>
#include <sys/wait.h>

#include <array>
#include <cstring>
#include <sstream>
#include <vector>

#include "core/util/error.h"
#include "core/util/fd.h"

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

std::optional<BlockFileSystem> probe_file_system(const std::string& node) {
  constexpr size_t kExtMagic = 0x438, kExtUuid = 0x468, kXfsUuid = 32;
  const Fd fd = open_at(AT_FDCWD, node, O_RDONLY);
  std::array<char, 4096> start{};
  if (read_full(fd.get(), start) < start.size()) return std::nullopt;
  const auto* bytes = reinterpret_cast<const unsigned char*>(start.data());
  if (std::memcmp(bytes, "XFSB", 4) == 0) return BlockFileSystem{"xfs", uuid_text(bytes + kXfsUuid)};
  if (bytes[kExtMagic] == 0x53 && bytes[kExtMagic + 1] == 0xef)
    return BlockFileSystem{"ext4", uuid_text(bytes + kExtUuid)};
  return std::nullopt;
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

std::string mount_options(const std::string& type, const std::string& extra) {
  std::string out = type == "xfs" ? "nouuid" : "";
  if (!extra.empty()) out += (out.empty() ? "" : ",") + extra;
  return out;
}

}  // namespace cairn::devicemapper
