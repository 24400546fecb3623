#include "core/layer/store_lock.h"

#include <dirent.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <map>
#include <set>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "core/util/error.h"
#include "core/util/interrupt.h"

namespace cairn {

using Inode = std::pair<dev_t, ino_t>;

// The engine's databases: it keeps them open for as long as it lives.
static std::set<Inode> databases(int root_fd) {
  static const char* const names[] = {
      "volumes/metadata.db",
      "network/files/local-kv.db",
      "linkgraph.db",
      "buildkit/cache.db",
      "buildkit/snapshots.db",
      "buildkit/metadata_v2.db",
      "buildkit/containerdmeta.db",
      "buildkit/history.db",
      "builder/fscache.db",
      "containerd/daemon/io.containerd.metadata.v1.bolt/meta.db",
  };
  std::set<Inode> out;
  for (const char* name : names)
    if (const auto st = stat_at(root_fd, name); st && S_ISREG(st->st_mode)) out.insert({st->st_dev, st->st_ino});
  return out;
}

static bool has_open(int proc_fd, const std::string& pid, const std::set<Inode>& wanted) {
  const int fds = ::openat(proc_fd, (pid + "/fd").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fds < 0) return false;  // gone meanwhile, or a kernel thread
  const Fd own(fds);
  try {
    for (const auto& name : list_dir(fds)) {
      struct stat st;
      if (::fstatat(fds, name.c_str(), &st, 0) == 0 && wanted.contains({st.st_dev, st.st_ino})) return true;
    }
  } catch (const Error&) {
    return false;  // the process ended while we looked
  }
  return false;
}

static std::string program_of(int proc_fd, const std::string& pid) {
  try {
    std::string name = try_read_file_at(proc_fd, pid + "/comm", 4096).value_or("");
    while (!name.empty() && name.back() == '\n') name.pop_back();
    return printable(name);
  } catch (const Error&) {
    return "";
  }
}

static pid_t parent_of(int proc_fd, const std::string& pid) {
  static constexpr std::string_view field = "\nPPid:";
  try {
    const std::string status = try_read_file_at(proc_fd, pid + "/status", 65536).value_or("");
    const size_t at = status.find(field);
    return at == std::string::npos ? 0 : static_cast<pid_t>(std::atol(status.c_str() + at + field.size()));
  } catch (const Error&) {
    return 0;  // it ended meanwhile
  }
}

// What an engine starts (containerd, each process for a moment) has its databases open as well: the engine is the one
// whose parent has none.
std::optional<Holder> engine_holding(int root_fd) {
  const auto wanted = databases(root_fd);
  if (wanted.empty()) return std::nullopt;
  const Fd proc = open_dir("/proc");
  const std::string self = std::to_string(::getpid());
  std::map<pid_t, pid_t> parents;
  for (const auto& pid : list_dir(proc.get())) {
    if (pid == self || pid.find_first_not_of("0123456789") != std::string::npos) continue;
    if (has_open(proc.get(), pid, wanted)) parents[static_cast<pid_t>(std::stol(pid))] = parent_of(proc.get(), pid);
  }
  if (parents.empty()) return std::nullopt;
  auto engine = std::ranges::find_if(parents, [&](const auto& one) { return !parents.contains(one.second); });
  if (engine == parents.end()) engine = parents.begin();  // pids that were used anew while we looked
  return Holder{engine->first, program_of(proc.get(), std::to_string(engine->first))};
}

void refuse_if_engine_runs(int root_fd) {
  if (const auto holder = engine_holding(root_fd))
    throw Error(Errc::in_use, "opening '" + printable(path_of(root_fd)) + "' for writing: a running engine (" +
                                  holder->program + ", pid " + std::to_string(holder->pid) +
                                  ") has it open; stop the engine first");
}

// A new open file description, so that the lock is this object's alone and not shared with other users of `fd`.
static Fd reopen(int fd) { return open_at(AT_FDCWD, "/proc/self/fd/" + std::to_string(fd), O_RDONLY); }

std::optional<FileLock> FileLock::attempt(int fd, Kind kind) {
  Fd own = reopen(fd);
  if (::flock(own.get(), (kind == Kind::shared ? LOCK_SH : LOCK_EX) | LOCK_NB) == 0) return FileLock(std::move(own));
  if (errno == EWOULDBLOCK || errno == EINTR) return std::nullopt;
  throw_errno("locking '" + printable(path_of(fd)) + "'");
}

FileLock FileLock::wait(int fd, Kind kind) {
  for (auto pause = std::chrono::milliseconds(1);; pause = std::min(pause * 2, std::chrono::milliseconds(100))) {
    if (auto lock = attempt(fd, kind)) return std::move(*lock);
    check_interrupt();
    std::this_thread::sleep_for(pause);
  }
}

}  // namespace cairn
