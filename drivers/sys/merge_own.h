// How a layer's own entries become its whole tree, where its parent's is there to be changed: a snapshot.
#pragma once

#include <sys/stat.h>

#include <string>

namespace cairn {

// What the snapshot's file system has of its own.
struct Snapshot {
  int fd;
  void (*remove)(int dir_fd, const std::string& name);  // with all that is below
  bool (*is_dir)(const struct stat& st);                // one that can have entries
};
Snapshot plain_snapshot(int fd);  // of files and directories like everybody's

// Puts what `own` has, a layer's own directory with overlay's marks, into `whole`: entries replace the parent's of the
// same name, marks take the parent's away, directories of both get the attributes they have in `own`. File content is
// shared by reflink where that works. `own` is left as it was.
void merge_own(int own, const Snapshot& whole);

}  // namespace cairn
