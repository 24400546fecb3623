// Files of a tree, put into the host's file system or into a tar.
#pragma once

#include <string>

#include "core/archive/stream.h"
#include "core/archive/tree.h"

namespace cairn {

// A path as `cp` takes it: "a/b" is the thing itself, "a/b/." and "/" its contents only.
struct CopySource {
  std::string path;  // cleaned, without leading '/'; "" for the root
  bool contents_only = false;
};
CopySource parse_copy_source(const std::string& path);

// `destination` is a directory to copy into, or the new name; what it names follows links, nothing below it does.
// Directories are merged, files replaced, each by one rename when its copy is complete. Owners, modes, times, xattrs
// and hardlinks are kept. UserError where `destination` cannot take it.
void copy_out(const Tree& tree, const CopySource& source, const std::string& destination);

// The same as a tar whose top is the last component of the path.
void tar_out(const Tree& tree, const CopySource& source, ByteSink& out);

}  // namespace cairn
