#include "core/layer/store_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "core/util/error.h"
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

// A process that has a database of the store open, as an engine has.
class Engine {
 public:
  explicit Engine(const fs::path& database) {
    int ready[2];
    if (::pipe(ready) != 0) throw std::runtime_error("pipe");
    pid_ = ::fork();
    if (pid_ == 0) {
      ::open(database.c_str(), O_RDWR);
      if (::write(ready[1], "x", 1) != 1) ::_exit(1);
      ::pause();
      ::_exit(0);
    }
    char byte;
    if (::read(ready[0], &byte, 1) != 1) throw std::runtime_error("the child did not start");
    ::close(ready[0]), ::close(ready[1]);
  }
  ~Engine() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
  }
  pid_t pid() const { return pid_; }

 private:
  pid_t pid_;
};

TEST(RunningEngine, IsFoundByTheDatabasesItHoldsOpen) {
  const test::TempDir dir;
  for (const char* name : {"volumes/metadata.db", "network/files/local-kv.db", "linkgraph.db", "buildkit/cache.db"}) {
    test::write_file(dir / name, "db");
    const Fd root = open_dir(dir.path().string());
    EXPECT_FALSE(engine_holding(root.get())) << name;
    {
      const Engine engine(dir / name);
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
