#include "tests/support/fixtures.h"

#include <cstdlib>
#include <stdexcept>

namespace cairn::test {

std::filesystem::path unpack_fixture(const std::string& name, const std::filesystem::path& into) {
  const char* elsewhere = std::getenv("CAIRN_FIXTURES");
  const std::string archives = elsewhere ? elsewhere : CAIRN_FIXTURES;
  std::filesystem::create_directories(into);
  const std::string command = "tar --xattrs --xattrs-include='*' --numeric-owner -xzf '" + archives + "/" + name +
                              ".tar.gz' -C '" + into.string() + "'";
  if (std::system(command.c_str()) != 0) throw std::runtime_error("failed: " + command);
  return into / "docker";
}

}  // namespace cairn::test
