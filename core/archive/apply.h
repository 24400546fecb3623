// Applies a layer tar to a DiffTarget with Docker's whiteout, opaque, hardlink and ordering rules (formats:
// drivers, 8.3), and never outside it, whatever the tar says.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "core/archive/tar_reader.h"
#include "core/archive/tree.h"
#include "core/interfaces/driver.h"
#include "core/interfaces/progress.h"

namespace cairn {

// A hard link whose target no entry of this layer made: link_parents_files() makes it when the parents are known.
struct DeferredLink {
  std::string name, target;  // cleaned paths
};

struct Applied {
  int64_t content_bytes = 0;  // sum of header sizes, skipped entries included
  uint64_t entries = 0;
  std::vector<std::string> implied_dirs;  // made without an entry of their own; DiffTarget::finish completes them
  std::vector<DeferredLink> links;
};

// Reads `tar` to its end. Errors name the entry. On an error the target is left as it is, for its owner to discard.
Applied apply_tar(TarReader& tar, DiffTarget& target);

// Makes the links that apply_tar() reported: a parent's file is copied up, as writing to it would, and linked in the
// layer. Directories keep their times. `below`: what the parents show, empty without any. Errc::invalid where neither
// has the file.
void link_parents_files(const Tree& below, const std::vector<DeferredLink>& links, DiffTarget& target);

enum class Links {
  none,  // copy: reflink where the file system can, else copy_file_range, else read and write
  hard,  // reflink, else a hardlink to the source's inode, else copy: only for layers nobody ever writes to
};
struct Copied {
  uint64_t files_linked = 0, files_copied = 0;
  uint64_t bytes_copied = 0;  // read and written; reflinks and hardlinks count nothing
};

// Puts `changes` (of `tree` over its parent) into `target`: the same files, owners, modes, times, xattrs, devices and
// hardlinks as `tree` shows; deletions become the target's whiteouts. Directories above a change must be among the
// changes or in the target already. The target's root becomes like the tree's, unless it is to be left alone.
enum class Root { take, leave };
Copied apply_tree(const Tree& tree, const std::vector<struct Change>& changes, DiffTarget& target, Links links,
                  Root root = Root::take, Progress* progress = nullptr);

}  // namespace cairn
