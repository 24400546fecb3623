// Who may write a store. Readers take nothing. A writer refuses a store that a running engine has open, and takes the
// publish lock (flock on image/DRV/layerdb) only around the renames that make things visible, so that two cairns can
// work on one store at once. No lock file is left behind.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "core/util/fd.h"

namespace cairn {

struct Holder {
  pid_t pid;
  std::string program;
};
// A live process that has one of the engine's databases below the root open (volumes/metadata.db, network/files/
// local-kv.db, buildkit/*.db, linkgraph.db, containerd's meta.db). Compared by device and inode, so that engines in
// other mount namespaces are found.
std::optional<Holder> engine_holding(int root_fd);
// Throws Errc::in_use naming pid and program.
void refuse_if_engine_runs(int root_fd);

class FileLock {
 public:
  enum class Kind { shared, exclusive };
  static FileLock wait(int fd, Kind kind);                    // blocks (checks for interrupts)
  static std::optional<FileLock> attempt(int fd, Kind kind);  // nullopt if another holds it
  FileLock(FileLock&&) noexcept = default;
  FileLock& operator=(FileLock&&) noexcept = default;

 private:
  explicit FileLock(Fd own) : own_(std::move(own)) {}
  Fd own_;  // a descriptor of its own: closing it unlocks
};

}  // namespace cairn
