// A tree as text, one line a name, to compare trees entry by entry.
#pragma once

#include <map>
#include <string>

#include "core/archive/tree.h"

namespace cairn::test {

// path ("." for the root) -> type, mode, owner, size, mtime (not of directories), device, xattrs, link target, content
// and the first name of its hard link group. Devices of the file system (st_dev, st_ino) do not appear.
using TreeListing = std::map<std::string, std::string>;
TreeListing listing_of(const Tree& tree);

// Of a directory as the kernel shows it: a mount, say.
TreeListing listing_of_directory(const std::string& path);

}  // namespace cairn::test
