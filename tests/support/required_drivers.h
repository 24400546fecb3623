// CAIRN_REQUIRE_DRIVERS=overlay2,vfs: tests of these drivers fail where they would be skipped.
#pragma once

#include <cstdlib>
#include <sstream>
#include <string>

namespace cairn::test {

inline bool is_required(const std::string& driver) {
  const char* required = std::getenv("CAIRN_REQUIRE_DRIVERS");
  std::istringstream list(required ? required : "");
  for (std::string one; std::getline(list, one, ',');)
    if (one == driver) return true;
  return false;
}

}  // namespace cairn::test
