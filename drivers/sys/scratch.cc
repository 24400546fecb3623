#include "drivers/sys/scratch.h"

#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>
#include <vector>

#include "core/util/error.h"
#include "drivers/sys/mount.h"
#include "drivers/sys/mount_table.h"

namespace cairn {

namespace fs = std::filesystem;

static constexpr std::string_view kSource = "cairn";

// Names are "cairn-NAMESPACE-PID-XXXXXX": a process is known by its number only within its namespace.
static std::string own_prefix() {
  struct stat st;
  if (::stat("/proc/self/ns/pid", &st) != 0) throw_errno("reading '/proc/self/ns/pid'");
  return "cairn-" + std::to_string(st.st_ino) + "-";
}

static std::vector<fs::path> bases() {
  std::error_code failed;
  std::vector<fs::path> out{"/run"};
  const fs::path temporary = fs::temp_directory_path(failed);
  if (!failed) out.push_back(temporary);  // otherwise TMPDIR names no directory
  return out;
}

// It was made by a process of this namespace that is no more.
static bool is_left_over(const std::string& name, const std::string& prefix) {
  if (!name.starts_with(prefix)) return false;
  pid_t pid = 0;
  const char* const begin = name.data() + prefix.size();
  const auto [end, failed] = std::from_chars(begin, name.data() + name.size(), pid);
  return failed == std::errc() && pid > 0 && *end == '-' && ::kill(pid, 0) != 0 && errno == ESRCH;
}

static void sweep() {
  const auto table = mount_table();
  const std::string prefix = own_prefix();
  for (const auto& base : bases()) {
    const auto dir = try_open_at(AT_FDCWD, base, O_RDONLY | O_DIRECTORY);
    if (!dir) continue;
    for (const auto& name : list_dir(dir->get())) {
      if (!is_left_over(name, prefix)) continue;
      const fs::path path = fs::path(path_of(dir->get())) / name;
      for (const auto& one : table)
        if (one.target == path && one.type == "tmpfs" && one.source == kSource)
          ::umount2(path.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);
      ::rmdir(path.c_str());  // only if empty; whoever comes at the same time may have done it
    }
  }
}

static fs::path make_directory() {
  int err = ENOENT;
  for (const fs::path& base : bases()) {
    std::string name = (base / (own_prefix() + std::to_string(::getpid()) + "-XXXXXX")).string();
    if (::mkdtemp(name.data()) != nullptr) return fs::canonical(name);
    err = errno;
  }
  throw_errno("making a directory in '/run' or in that for temporary files (TMPDIR)", err);
}

static fs::path swept_directory() {
  sweep();
  return make_directory();
}

Scratch::Scratch() : path_(swept_directory()) {
  try {
    MountSpec spec;
    spec.type = "tmpfs";
    spec.source = kSource;
    spec.target = path_;
    spec.data = "mode=0755,nr_inodes=0";  // as many as the layers need
    MountGuard guard(spec);
    fd_ = open_dir(path_);
    guard.release();
  } catch (...) {
    ::rmdir(path_.c_str());
    throw;
  }
}

Scratch::~Scratch() {
  fd_.reset();
  if (::umount2(path_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW) != 0 || ::rmdir(path_.c_str()) != 0)
    std::fprintf(stderr, "cairn: warning: removing '%s': %s\n", path_.c_str(), std::strerror(errno));
}

}  // namespace cairn
