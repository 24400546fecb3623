// A read-only view of aufs branches by the kernel's overlayfs, which does not know aufs' marks. Small directories of
// overlayfs' own marks, the masks, lie between the branches:
//
//   m0     hides every name `.wh.*` of all branches. Its directories are the uppermost ones and so those that show:
//          they have the attributes of the merged directories.
//   m(i+1) lies below branch i: whiteouts for its `.wh.NAME`, opaque directories for its `.wh..wh..opq`.
//   m(i)   lies above branch i: also whiteouts for names that branch i has beside their own `.wh.NAME`, as aufs looks
//          for that first.
//
// Wherever a mask other than m0 has a directory, a branch has a mark in it, and so m0 has that directory, too.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "core/util/fd.h"

namespace cairn::aufs {

// Writes the masks of `branches` (uppermost first) into the empty directory `into`, together with links to the
// branches, and returns what overlayfs is to join, uppermost first, as names in `into`. A single name: that branch
// shows as it is. Branches below one whose root is opaque are left out. Throws Errc::unsupported where a branch has
// something that overlayfs would take for a mark of its own.
std::vector<std::string> write_masks(const std::vector<std::shared_ptr<const Fd>>& branches, int into);

}  // namespace cairn::aufs
