// btrfs subvolumes, by directory descriptor and plain name.
#pragma once

#include <string>

#include "core/util/fd.h"

namespace cairn::btrfs {

bool on_btrfs(int fd);
bool is_subvolume(int dir_fd);  // the directory is the root of one

// An empty one, open, with exactly this mode.
Fd create_subvolume(int dir_fd, const std::string& name, mode_t mode);
// A writable snapshot of the subvolume `source`, which is open. Subvolumes nested in it are empty directories there.
Fd snapshot(int source, int dir_fd, const std::string& name);

// Removes whatever `name` is, with all that is below it and the subvolumes nested there. Links are not followed, and
// nothing that is mounted below is entered. Absent is success, and so it can be repeated.
void remove_deep(int dir_fd, const std::string& name);

}  // namespace cairn::btrfs
