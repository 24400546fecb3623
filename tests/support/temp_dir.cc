#include "tests/support/temp_dir.h"

#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <sstream>
#include <stdexcept>

namespace cairn::test {

static std::filesystem::path usual_base() {
  const char* base = std::getenv("CAIRN_TEST_DIR");
  return base ? std::filesystem::path(base) : std::filesystem::temp_directory_path();
}

TempDir::TempDir() : TempDir(usual_base()) {}

TempDir::TempDir(const std::filesystem::path& base) {
  std::string pattern = base / "cairn-test-XXXXXX";
  if (mkdtemp(pattern.data()) == nullptr) throw std::runtime_error("cannot make " + pattern);
  path_ = pattern;
}

TempDir::~TempDir() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

void write_file(const std::filesystem::path& path, const std::string& content) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << content;
  if (!out.flush()) throw std::runtime_error("cannot write " + path.string());
}

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path.string());
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

bool running_as_root() { return geteuid() == 0; }

}  // namespace cairn::test
