#include "core/migrate/disk_sample.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include "core/util/error.h"
#include "core/util/fd.h"
#include "tests/support/loop_file_system.h"
#include "tests/support/temp_dir.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

TEST(DiskSample, MeasuresTheStoresFilesInAFractionOfASecond) {
  const test::TempDir dir;
  for (int i = 0; i < 40; ++i) {
    fs::create_directories(dir / ("layer" + std::to_string(i)) / "usr/lib");
    test::write_file(dir / ("layer" + std::to_string(i)) / "usr/lib/file", std::string(200'000, static_cast<char>(i)));
  }
  const DiskSample sample = sample_disk(open_dir(dir.path()).get(), 2);
  EXPECT_GT(sample.files, 0u);
  EXPECT_LE(sample.files, 40u);
  EXPECT_GT(sample.bytes, 0u);
  EXPECT_GT(sample.hash_rate, 1e5);
  EXPECT_GE(sample.read_rate, sample.hash_rate / 2);
  EXPECT_GT(sample.file_seconds, 0);
  EXPECT_DOUBLE_EQ(sample.file_size, 200'000);
  EXPECT_LT(sample.seconds, 5);
}

TEST(DiskSample, AnEmptyStoreHasTheRatesOfMemory) {
  const test::TempDir dir;
  const DiskSample sample = sample_disk(open_dir(dir.path()).get(), 1);
  EXPECT_EQ(sample.files, 0u);
  EXPECT_GT(sample.hash_rate, 1e5);
}

TEST(DiskSample, ReadsNoLinksNoDevicesAndLeavesNoTrace) {
  const test::TempDir dir, elsewhere;
  test::write_file(elsewhere / "secret", std::string(100, 's'));
  fs::create_symlink(elsewhere / "secret", dir / "link");
  fs::create_directory_symlink(elsewhere.path(), dir / "folder");
  ASSERT_EQ(::mkfifo((dir / "fifo").c_str(), 0600), 0);  // opening it would wait for a writer
  test::write_file(dir / "file", "12345");
  struct stat before, after;
  ASSERT_EQ(::stat((dir / "file").c_str(), &before), 0);
  const DiskSample sample = sample_disk(open_dir(dir.path()).get(), 1);
  ASSERT_EQ(::stat((dir / "file").c_str(), &after), 0);
  EXPECT_EQ(sample.files, 1u);
  EXPECT_EQ(sample.bytes, 5u);
  EXPECT_EQ(before.st_atim.tv_nsec, after.st_atim.tv_nsec);
}

struct Disk {
  const char *name, *type, *make_options;
  LinkKind links;
};

class LinksOf : public testing::TestWithParam<Disk> {};

TEST_P(LinksOf, IsToldByTheFileSystem) {
  try {
    const test::LoopFileSystem disk(GetParam().type, "", GetParam().make_options);
    EXPECT_EQ(links_of(open_dir(disk.path()).get()), GetParam().links);
  } catch (const Error& e) {
    if (e.code() != Errc::unsupported) throw;
    GTEST_SKIP() << e.what();
  }
}

INSTANTIATE_TEST_SUITE_P(, LinksOf,
                         testing::Values(Disk{"ext4", "ext4", "-q", LinkKind::hard},
                                         Disk{"btrfs", "btrfs", "-q", LinkKind::reflink},
                                         Disk{"xfs", "xfs", "-q -m reflink=1", LinkKind::reflink},
                                         Disk{"xfs_that_shares_nothing", "xfs", "-q -m reflink=0", LinkKind::hard}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace cairn
