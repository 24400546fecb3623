// A directory of a test's own, removed when it dies.
#pragma once

#include <filesystem>
#include <string>

namespace cairn::test {

class TempDir {
 public:
  TempDir();  // below $CAIRN_TEST_DIR, else below the system's temporary directory
  explicit TempDir(const std::filesystem::path& base);
  ~TempDir();
  TempDir(const TempDir&) = delete;
  TempDir& operator=(const TempDir&) = delete;
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path operator/(const std::string& name) const { return path_ / name; }

 private:
  std::filesystem::path path_;
};

void write_file(const std::filesystem::path& path, const std::string& content);
std::string read_file(const std::filesystem::path& path);
bool running_as_root();

}  // namespace cairn::test
