// The small real roots below tests/fixtures, unpacked.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <string>

#include "tests/support/temp_dir.h"

namespace cairn::test {

// `name` without ".tar.gz"; returns the data root. Needs root: owners are kept.
inline std::filesystem::path unpack_fixture(const std::string& name, const std::filesystem::path& into) {
  std::filesystem::create_directories(into);
  const std::string command =
      "tar --xattrs --numeric-owner -xzf '" CAIRN_FIXTURES "/" + name + ".tar.gz' -C '" + into.string() + "'";
  if (std::system(command.c_str()) != 0) ADD_FAILURE() << "failed: " << command;
  return into / "docker";
}

}  // namespace cairn::test
