// What needs root, said before anything else is tried.
#pragma once

#include <string>

namespace cairn {

// Throws Errc::unsupported "this needs root: WHAT" unless the effective user is root.
void require_root(const std::string& what);

// The same where this user may not read `root` or the directories in it that engines close to others.
void require_readable(const std::string& root);

}  // namespace cairn
