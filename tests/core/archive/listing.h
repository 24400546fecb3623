// What a directory looks like, as text, so that two of them can be compared and a difference can be read.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "core/archive/tree.h"

namespace cairn::test {

struct ListingOptions {
  bool times = false;
  bool links = true;  // names of one inode are said to be "=first name"
};
// Path -> "type mode owner size content xattrs".
using TreeListing = std::map<std::string, std::string>;
TreeListing list_directory(const std::filesystem::path& root, ListingOptions options = {});  // with system calls
TreeListing list_tree(const Tree& tree, ListingOptions options = {});                        // with Tree

// What is not the same in both, without the roots themselves: "path: one | other".
std::vector<std::string> differences(const TreeListing& one, const TreeListing& other);

// A command that must succeed.
void run(const std::string& command);

}  // namespace cairn::test
