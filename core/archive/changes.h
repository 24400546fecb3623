// What differs between two trees, and the layer tar that says so.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "core/archive/stream.h"
#include "core/archive/tree.h"
#include "core/util/remapped_root.h"

namespace cairn {

enum class ChangeKind : char { modified = 'C', added = 'A', deleted = 'D' };
struct Change {
  ChangeKind kind;
  std::string path;  // "/a/b"
  bool operator==(const Change&) const = default;
};

enum class Compare {
  docker,  // Docker's rule: type and permission, owner, device, security.capability; mtime (whole seconds when one side
           // has no fraction) and size of non-directories. formats: drivers, 8.1
  exact,   // the above, plus mtime to the nanosecond, every xattr, link targets, hardlinks made or undone between files
           // that stay (with a changed file come all its names), and the content of files that are equal in all that
           // but are not the same inode
};

struct CompareOptions {
  Compare rule = Compare::docker;
  // Cleaned paths without a leading '/' that count as changed whatever they look like (a layer's own tar-split names).
  const std::set<std::string>* forced = nullptr;
  bool compare_content = true;   // exact only; false where `forced` already names all changed files
  bool directory_times = false;  // exact only: a directory's mtime counts as well (Docker's never does)
};

// Sorted by path bytewise. Only the top of a deleted tree is listed; a directory above a change is listed as modified,
// the root never. An empty `parent` lists everything as added.
std::vector<Change> changes_between(const Tree& tree, const Tree& parent, const CompareOptions& options = {});

// The layer tar of `changes` (Docker's ExportChanges): deletions as ".wh." files, hardlinks to the first name seen,
// sockets left out; of xattrs security.capability and user.* are carried. Deterministic: whiteouts have mtime 0 and
// nothing depends on clock, host or process. Returns the sum of content bytes.
// Carry::all, for a tar that is to make the same files again: every xattr, times to the nanosecond, and a change of "/"
// is the root itself.
enum class Carry { docker, all };
// Owners are the host's in the tree and the container's in the tar.
int64_t write_diff(const Tree& tree, const std::vector<Change>& changes, ByteSink& out, Carry carry = Carry::docker,
                   IdBase ids = {});

// The layer tar as engines make it of an overlay2 layer's own directory (`own`, read without regard to marks). Engines
// differ in headers: bits of the type in the mode, up to 24; names of users, up to 20.10.
struct EngineTarForm {
  bool type_bits = true, root_names = true;
};
int64_t write_engine_diff(const Tree& own, EngineTarForm form, ByteSink& out, IdBase ids = {});

// The whole tree as a plain tar, as `docker export` gives it (no whiteouts).
void write_export(const Tree& tree, ByteSink& out);

}  // namespace cairn
