// A place in memory for what a mount needs besides the layers themselves.
#pragma once

#include <filesystem>

#include "core/util/fd.h"

namespace cairn {

// An empty tmpfs on a directory of its own below /run or the directory for temporary files. Both names are gone when
// this dies; the content lives on for as long as a mount made meanwhile (overlayfs, with lower directories in it) uses
// it. Where the process is killed before, the next Scratch removes what it left: the directory's name says whose it is.
class Scratch {
 public:
  Scratch();
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  const std::filesystem::path& path() const noexcept { return path_; }
  int fd() const noexcept { return fd_.get(); }

 private:
  std::filesystem::path path_;
  Fd fd_;
};

}  // namespace cairn
