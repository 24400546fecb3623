#include "drivers/sys/scratch.h"

#include <sys/mount.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "core/util/error.h"
#include "drivers/sys/mount.h"

namespace cairn {

namespace fs = std::filesystem;

static fs::path make_directory() {
  std::error_code failed;
  int err = ENOENT;
  for (const fs::path& base : {fs::path("/run"), fs::temp_directory_path(failed)}) {
    if (base.empty()) continue;  // TMPDIR names no directory
    std::string name = (base / "cairn-XXXXXX").string();
    if (::mkdtemp(name.data()) != nullptr) return fs::canonical(name);
    err = errno;
  }
  throw_errno("making a directory in '/run' or in that for temporary files (TMPDIR)", err);
}

Scratch::Scratch() : path_(make_directory()) {
  try {
    MountSpec spec;
    spec.type = "tmpfs";
    spec.source = "cairn";
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
