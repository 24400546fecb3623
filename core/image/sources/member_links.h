// Links between the members of an archive, resolved as in a directory the archive was unpacked to, and never beyond it.
#pragma once

#include <map>
#include <string>

#include "core/archive/tar_reader.h"

namespace cairn {

std::string member_name(std::string_view name);  // "./a/../b" -> "b"; what leads out of the archive leads to its root

class MemberLinks {
 public:
  void add(const TarEntry& link);  // a symbolic or hard link
  void forget(const std::string& member) { links_.erase(member); }
  size_t size() const { return links_.size(); }
  // The member that `name` means; it need not exist. Errc::corrupt after 40 links.
  std::string resolve(const std::string& name) const;

 private:
  std::map<std::string, std::string> links_;  // clean names
};

}  // namespace cairn
