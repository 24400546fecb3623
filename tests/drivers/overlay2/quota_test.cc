// overlay2.size: what is written to a container's layer has a limit (G7; unlike its model, this demands the error).
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/util/error.h"
#include "drivers/overlay2/overlay2.h"
#include "tests/support/leftover_mounts.h"
#include "tests/support/loop_file_system.h"
#include "tests/support/temp_dir.h"

namespace cairn {

namespace fs = std::filesystem;

namespace {

constexpr size_t kMebibyte = 1 << 20;

class Overlay2Quota : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "mounting needs root";
    try {
      disk_ = std::make_unique<test::LoopFileSystem>("xfs", "pquota");
    } catch (const Error& e) {
      GTEST_SKIP() << e.what();
    }
  }
  void TearDown() override { test::unmount_leftovers(beside_.path()); }
  std::unique_ptr<Driver> open(const std::string& name, const std::string& size = "50M") const {
    return open_overlay2(disk_->path() / name, {{{"overlay2.size", size}}});
  }
  // How many bytes can be written to the layer, up to 100 MiB; and what kept it from the rest.
  std::pair<size_t, int> filled(Driver& driver, const LayerId& id) {
    driver.mount(id, Access::read_write, beside_.path());
    const Fd file = open_at(AT_FDCWD, beside_.path() / "file", O_WRONLY | O_CREAT, 0644);
    const std::string block(kMebibyte, 'x');
    size_t written = 0;
    ssize_t n = 1;
    while (written < 100 * kMebibyte && (n = ::write(file.get(), block.data(), block.size())) > 0)
      written += static_cast<size_t>(n);
    const int err = n < 0 ? errno : 0;
    test::unmount_leftovers(beside_.path());
    return {written, err};
  }
  std::unique_ptr<test::LoopFileSystem> disk_;
  test::TempDir beside_;
};

void expect_limited(const std::pair<size_t, int>& filled) {
  EXPECT_GT(filled.first, 45 * kMebibyte);
  EXPECT_LE(filled.first, 50 * kMebibyte);
  EXPECT_TRUE(filled.second == EDQUOT || filled.second == ENOSPC) << filled.second;  // xfs says the latter
}

}  // namespace

TEST_F(Overlay2Quota, LimitsEachCreatedLayerByItself) {
  const auto driver = open("store");
  const LayerId base("base"), one("one"), two("two"), alone("alone");
  const auto image = driver->begin(base);
  create_file_at(image->root_fd(), "large", std::string(60 * kMebibyte, 'x'), 0644);  // no container's
  image->finish(std::nullopt, {});
  for (const auto& id : {one, two}) driver->create(id, base);
  driver->create(alone, std::nullopt);
  for (const auto& id : {one, two, alone}) expect_limited(filled(*driver, id));
  struct stat node, home;
  ASSERT_EQ(::stat((disk_->path() / "store/overlay2/backingFsBlockDev").c_str(), &node), 0);
  ASSERT_EQ(::fstat(driver->home_fd(), &home), 0);
  EXPECT_TRUE(S_ISBLK(node.st_mode));
  EXPECT_EQ(node.st_rdev, home.st_dev);
  EXPECT_EQ(driver->list(), (std::vector{alone, base, one, two}));
}

TEST_F(Overlay2Quota, OfTwoStoresOnOneFileSystemAreApart) {
  const LayerId id("one");
  for (const char* store : {"first", "second"}) {
    const auto driver = open(store);
    driver->create(id, std::nullopt);
    expect_limited(filled(*driver, id));
  }
}

TEST_F(Overlay2Quota, IsForThoseMadeWithIt) {
  const auto limited = open("store"), unlimited = open_overlay2(disk_->path() / "store");
  limited->create(LayerId("limited"), std::nullopt);
  unlimited->create(LayerId("unlimited"), std::nullopt);
  EXPECT_EQ(filled(*limited, LayerId("unlimited")).first, 100 * kMebibyte);
  expect_limited(filled(*unlimited, LayerId("limited")));
  limited->remove(LayerId("limited"));
  limited->create(LayerId("limited"), std::nullopt);
  expect_limited(filled(*limited, LayerId("limited")));
}

TEST(Overlay2WithoutQuotas, ALayerThatCannotBeLimitedIsNotMade) {
  if (!test::running_as_root()) GTEST_SKIP() << "overlay2 needs root";
  const test::TempDir root("/dev/shm");
  const auto driver = open_overlay2(root.path(), {{{"overlay2.size", "50M"}}});
  try {
    driver->create(LayerId("a"), std::nullopt);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::unsupported) << e.what();
    EXPECT_NE(std::string(e.what()).find("pquota"), std::string::npos) << e.what();
  }
  EXPECT_TRUE(driver->list().empty());
}

}  // namespace cairn
