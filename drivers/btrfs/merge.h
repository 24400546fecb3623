// How a layer's own entries become its whole tree.
#pragma once

namespace cairn::btrfs {

// Puts what `own` has, a layer's own directory with overlay's marks, into `whole`, a snapshot of its parent: entries
// replace the parent's of the same name, marks take the parent's away, directories of both get the attributes they have
// in `own`. File content is shared by reflink.
void merge_own(int own, int whole);

// Makes `own` whole where there is no parent: takes the marks away and leaves the times of directories as they are.
void clear_marks(int own);

}  // namespace cairn::btrfs
