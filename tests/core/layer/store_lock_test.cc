#include "core/layer/store_lock.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/sched.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#include <cerrno>
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

// With the lowest pid that is free, as if pids had been used up, and a parent's end is its own.
void fork_with_low_pid() {
  for (pid_t pid = 2;; ++pid) {
    clone_args args{};
    args.exit_signal = SIGCHLD;
    args.set_tid = reinterpret_cast<uintptr_t>(&pid);
    args.set_tid_size = 1;
    const long made = ::syscall(SYS_clone3, &args, sizeof(args));
    if (made < 0 && errno == EEXIST) continue;
    if (made < 0) ::_exit(1);
    if (made > 0) return;
    ::prctl(PR_SET_PDEATHSIG, SIGKILL);
    ::pause();
    ::_exit(0);
  }
}

TEST(RunningEngine, IsToldFromWhatItStarted) {
  const test::TempDir dir;
  test::write_file(dir / "linkgraph.db", "db");
  const test::OpenElsewhere engine(dir / "linkgraph.db", fork_with_low_pid);
  const auto holder = engine_holding(open_dir(dir.path().string()).get());
  ASSERT_TRUE(holder);
  EXPECT_EQ(holder->pid, engine.pid());
}

}  // namespace
}  // namespace cairn
