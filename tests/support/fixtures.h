// The data roots in tests/fixtures, which real engines wrote.
#pragma once

#include <filesystem>
#include <string>

namespace cairn::test {

// Unpacks `name` (without ".tar.gz") in `into`, which is made when missing; returns the data root. Needs root: owners
// and devices are kept. $CAIRN_FIXTURES says where the archives are on another machine than the one it was built on.
std::filesystem::path unpack_fixture(const std::string& name, const std::filesystem::path& into);

}  // namespace cairn::test
