// Directory trees of all kinds of files, the same for the same seed, and random changes to them.
#pragma once

#include <filesystem>
#include <random>
#include <string>
#include <vector>

namespace cairn::test {

struct RandomTreeOptions {
  bool sockets = true;
  bool subseconds = true;
  int entries = 60;
};

class RandomTree {
 public:
  explicit RandomTree(unsigned seed, RandomTreeOptions options = {}) : random_(seed), options_(options) {}
  void make(const std::filesystem::path& root);    // an existing directory
  void mutate(const std::filesystem::path& root);  // adds, removes, rewrites, links, changes types and metadata

 private:
  int pick(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }
  std::filesystem::path any_directory(const std::filesystem::path& root);
  std::vector<std::filesystem::path> all(const std::filesystem::path& root, bool directories);
  void add_entry(const std::filesystem::path& directory, const std::filesystem::path& root);
  void set_metadata(const std::filesystem::path& path);
  void change(const std::filesystem::path& path);

  std::mt19937 random_;
  RandomTreeOptions options_;
};

}  // namespace cairn::test
