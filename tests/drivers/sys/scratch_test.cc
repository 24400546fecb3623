// A place in memory that its maker's death leaves to the next one.
#include "drivers/sys/scratch.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "core/util/error.h"
#include "drivers/sys/mount_table.h"
#include "tests/support/temp_dir.h"

namespace cairn {

namespace fs = std::filesystem;

namespace {

struct Holder {
  pid_t pid = -1;
  fs::path path;
};

// A process that has a Scratch until it is killed.
Holder start_holder() {
  int told[2];
  if (::pipe(told) != 0) throw_errno("making a pipe");
  Holder out;
  out.pid = ::fork();
  if (out.pid == 0) {
    const Scratch scratch;
    const std::string path = scratch.path();
    if (::write(told[1], path.data(), path.size()) < 0) ::_exit(1);
    for (;;) ::pause();
  }
  char path[200];
  const ssize_t n = ::read(told[0], path, sizeof path);
  out.path = std::string(path, n < 0 ? 0 : static_cast<size_t>(n));
  ::close(told[0]);
  ::close(told[1]);
  return out;
}

void kill_holder(const Holder& holder) {
  ::kill(holder.pid, SIGKILL);
  int status = 0;
  EXPECT_EQ(::waitpid(holder.pid, &status, 0), holder.pid);
}

class ScratchLeftBehind : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "mounting needs root";
  }
};

}  // namespace

TEST_F(ScratchLeftBehind, IsSweptByTheNextAndNotBeforeItsMakerIsDead) {
  const Holder dead = start_holder(), alive = start_holder();
  kill_holder(dead);
  EXPECT_TRUE(is_mount_point(dead.path));
  { const Scratch next; }
  EXPECT_FALSE(is_mount_point(dead.path));
  EXPECT_FALSE(fs::exists(dead.path));
  EXPECT_TRUE(is_mount_point(alive.path));
  kill_holder(alive);
  { const Scratch next; }
  EXPECT_FALSE(fs::exists(alive.path));
}

// Whatever else bears such a name: a directory with something in it, one of another namespace, a file.
TEST_F(ScratchLeftBehind, IsAllThatIsSwept) {
  const Holder dead = start_holder();
  kill_holder(dead);
  const std::string name = dead.path.filename(), stem = name.substr(0, name.rfind('-') + 1);
  const fs::path full = dead.path.parent_path() / (stem + "fulldi"), file = dead.path.parent_path() / (stem + "a_file");
  const fs::path foreign = dead.path.parent_path() / "cairn-1-999999999-abcdef";
  test::write_file(full / "kept", "k");
  test::write_file(file, "f");
  fs::create_directory(foreign);
  { const Scratch next; }
  EXPECT_FALSE(fs::exists(dead.path));
  for (const auto& path : {full / "kept", file, foreign}) EXPECT_TRUE(fs::exists(path)) << path;
  for (const auto& path : {full, file, foreign}) fs::remove_all(path);
}

}  // namespace cairn
