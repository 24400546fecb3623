// Mounts that are pinned by another mount namespace.
#pragma once

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>

#include "core/util/error.h"

namespace cairn::test {

// A process with a mount namespace of its own, as a container's is, that has all mounts of this moment; until it is
// told to go.
class MountsElsewhere {
 public:
  MountsElsewhere() {
    if (::pipe(go_) != 0 || ::pipe(ready_) != 0) throw_errno("making pipes");
    child_ = ::fork();
    if (child_ == 0) {
      ::close(go_[1]);
      char byte =
          ::unshare(CLONE_NEWNS) == 0 && ::mount("", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0 ? 'y' : 'n';
      if (::write(ready_[1], &byte, 1) == 1 && ::read(go_[0], &byte, 1) < 0) ::_exit(1);
      ::_exit(0);
    }
    char byte = 'n';
    is_apart_ = ::read(ready_[0], &byte, 1) == 1 && byte == 'y';
  }
  ~MountsElsewhere() {
    for (const int end : {go_[0], go_[1], ready_[0], ready_[1]}) ::close(end);
    ::waitpid(child_, nullptr, 0);
  }
  MountsElsewhere(const MountsElsewhere&) = delete;
  bool is_apart() const { return is_apart_; }
  std::filesystem::path see(const std::filesystem::path& path) const {
    return "/proc/" + std::to_string(child_) + "/root" + path.string();
  }

 private:
  int go_[2], ready_[2];
  pid_t child_ = -1;
  bool is_apart_ = false;
};

}  // namespace cairn::test
