#include "core/util/usage.h"

#include <unordered_map>

#include "core/util/error.h"
#include "core/util/fd.h"
#include "core/util/interrupt.h"

namespace cairn {

namespace {

struct Walk {
  dev_t device;
  Usage usage;
  std::unordered_map<ino_t, nlink_t> unseen;  // names not met yet, of inodes that have several

  void add(const struct stat& st) {
    if (!S_ISDIR(st.st_mode) && st.st_nlink > 1) {
      const auto [names, first] = unseen.emplace(st.st_ino, st.st_nlink);
      --names->second;
      if (!first) return;
    }
    if (!S_ISDIR(st.st_mode)) usage.content += st.st_size;
    usage.on_disk += static_cast<uint64_t>(st.st_blocks) * 512;
  }

  void descend(int dir_fd) {
    check_interrupt();
    for (const auto& name : list_dir(dir_fd)) {
      const auto st = stat_at(dir_fd, name);
      if (!st || st->st_dev != device) continue;
      add(*st);
      if (S_ISDIR(st->st_mode)) descend(open_dir_at(dir_fd, name).get());
    }
  }
};

}  // namespace

Usage usage_of(int dir_fd) {
  struct stat st;
  if (::fstat(dir_fd, &st) != 0) throw_errno("reading the status of '" + printable(path_of(dir_fd)) + "'");
  Walk walk{st.st_dev, {}, {}};
  walk.add(st);
  walk.descend(dir_fd);
  for (const auto& [inode, names] : walk.unseen) walk.usage.shared |= names > 0;
  return walk.usage;
}

}  // namespace cairn
