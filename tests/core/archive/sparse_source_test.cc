#include "core/archive/sparse_source.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <string>
#include <vector>

#include "core/archive/tree.h"
#include "tests/support/temp_dir.h"

namespace cairn::test {
namespace {

constexpr off_t kHole = 8 << 20;

// Data, a hole, data, and a hole to the end, where the file system keeps holes.
std::string write_with_holes(const std::filesystem::path& path) {
  const Fd file = open_at(AT_FDCWD, path.string(), O_WRONLY | O_CREAT | O_EXCL, 0600);
  write_all(file.get(), "begin");
  EXPECT_EQ(::pwrite(file.get(), "middle", 6, kHole), 6);
  EXPECT_EQ(::ftruncate(file.get(), 2 * kHole), 0);
  EXPECT_EQ(::fsync(file.get()), 0);
  std::string content(2 * kHole, '\0');
  content.replace(0, 5, "begin");
  content.replace(kHole, 6, "middle");
  return content;
}

size_t cached_pages(const Fd& file) {
  std::vector<unsigned char> pages(2 * kHole / static_cast<size_t>(::getpagesize()));
  void* map = ::mmap(nullptr, 2 * kHole, PROT_READ, MAP_SHARED, file.get(), 0);
  EXPECT_NE(map, MAP_FAILED);
  EXPECT_EQ(::mincore(map, 2 * kHole, pages.data()), 0);
  ::munmap(map, 2 * kHole);
  return static_cast<size_t>(std::count_if(pages.begin(), pages.end(), [](unsigned char p) { return (p & 1) != 0; }));
}

TEST(SparseSource, GivesEveryByteOfAFileWithHoles) {
  const TempDir dir;
  const std::string content = write_with_holes(dir / "f");
  EXPECT_EQ(read_all(*read_sparse(open_at(AT_FDCWD, (dir / "f").string(), O_RDONLY)), 64 << 20), content);
}

TEST(SparseSource, GivesEveryByteOfAFileWithout) {
  const TempDir dir;
  for (const std::string& content : {std::string(), std::string(1'000'000, 'x')}) {
    write_file(dir / "f", content);
    EXPECT_EQ(read_all(*read_sparse(open_at(AT_FDCWD, (dir / "f").string(), O_RDONLY)), 64 << 20), content);
  }
}

TEST(SparseSource, EndsWhereAFileEndsNow) {
  const TempDir dir;
  write_with_holes(dir / "f");
  const auto source = read_sparse(open_at(AT_FDCWD, (dir / "f").string(), O_RDONLY));
  std::string first(5, '\0');
  ASSERT_EQ(read_full(*source, first), 5u);
  ASSERT_EQ(::truncate((dir / "f").c_str(), 5), 0);
  EXPECT_LT(drain(*source), 64u << 10);
}

// A tree's files are read through it.
TEST(SparseSource, LeavesHolesOutOfThePageCache) {
  const TempDir dir;
  write_with_holes(dir / "f");
  const Tree tree({Branch{std::make_shared<const Fd>(open_dir(dir.path().string())), WhiteoutStyle::none}});
  EXPECT_EQ(drain(*content_of(*tree.find("f"))), 2u * kHole);
  EXPECT_LT(cached_pages(open_at(AT_FDCWD, (dir / "f").string(), O_RDONLY)), 200u);
}

}  // namespace
}  // namespace cairn::test
