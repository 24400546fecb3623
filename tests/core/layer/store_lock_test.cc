#include "core/layer/store_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/util/error.h"
#include "tests/support/open_elsewhere.h"
#include "tests/support/temp_dir.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

TEST(FileLock, ExcludesAndIsFreedByItsOwnDescriptorOnly) {
  const test::TempDir dir;
  const Fd fd = open_dir(dir.path().string());
  {
    const auto first = FileLock::attempt(fd.get(), FileLock::Kind::exclusive);
    ASSERT_TRUE(first);
    EXPECT_FALSE(FileLock::attempt(fd.get(), FileLock::Kind::exclusive));
    EXPECT_FALSE(FileLock::attempt(fd.get(), FileLock::Kind::shared));
  }
  EXPECT_TRUE(FileLock::attempt(fd.get(), FileLock::Kind::exclusive));
}

TEST(FileLock, SharedOnesGoTogether) {
  const test::TempDir dir;
  const Fd fd = open_dir(dir.path().string());
  const auto one = FileLock::attempt(fd.get(), FileLock::Kind::shared);
  EXPECT_TRUE(FileLock::attempt(fd.get(), FileLock::Kind::shared));
  EXPECT_FALSE(FileLock::attempt(fd.get(), FileLock::Kind::exclusive));
}

TEST(RunningEngine, IsFoundByTheDatabasesItHoldsOpen) {
  const test::TempDir dir;
  for (const char* name : {"volumes/metadata.db", "network/files/local-kv.db", "linkgraph.db", "buildkit/cache.db"}) {
    test::write_file(dir / name, "db");
    const Fd root = open_dir(dir.path().string());
    EXPECT_FALSE(engine_holding(root.get())) << name;
    {
      const test::OpenElsewhere engine(dir / name);
      const auto holder = engine_holding(root.get());
      ASSERT_TRUE(holder) << name;
      EXPECT_EQ(holder->pid, engine.pid());
      try {
        refuse_if_engine_runs(root.get());
        ADD_FAILURE() << "not refused";
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), Errc::in_use);
        EXPECT_THAT(e.what(), testing::HasSubstr("pid " + std::to_string(engine.pid())));
      }
    }
    EXPECT_FALSE(engine_holding(root.get())) << name;
  }
}

}  // namespace
}  // namespace cairn
