// Processes killed at any moment: whoever uses the store next finds it whole.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <random>
#include <set>
#include <sstream>
#include <thread>

#include "tests/drivers/devicemapper/store.h"
#include "tests/support/leftover_mounts.h"

namespace cairn::devicemapper {

class KilledProcess : public ThinStore {
 protected:
  void work(int say) const;
  std::string kill_after(std::chrono::milliseconds time);
  void note(const std::string& said);
  void check();

  std::set<std::string> made_, maybe_;  // layers that must be there; those whose removal was under way
};

// Makes and removes layers for as long as it lives, and tells after each what is done.
void KilledProcess::work(int say) const {
  const auto tell = [&](const std::string& word, const LayerId& id) {
    const std::string line = word + " " + id.str() + "\n";
    if (::write(say, line.data(), line.size()) != static_cast<ssize_t>(line.size())) ::_exit(1);
  };
  const auto driver = open();
  const auto remove = [&](const LayerId& id) {
    tell("removing", id);
    driver->remove(id);
    tell("removed", id);
  };
  for (;;) {
    const LayerId base = LayerId::random(), child = LayerId::random(), container = LayerId::random();
    put(*driver, base, std::nullopt, 100'000);
    tell("made", base);
    put(*driver, child, base, 1000);
    tell("made", child);
    driver->create(container, child);  // has its parent's file
    driver->mount(container, Access::read_write, place("container"));
    test::write_file(place("container") / "own", container.str());
    unmount(place("container"));
    tell("made", container);
    remove(base);
    remove(container);
  }
}

std::string KilledProcess::kill_after(std::chrono::milliseconds time) {
  int ends[2];
  EXPECT_EQ(::pipe(ends), 0);
  const pid_t child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    try {
      work(ends[1]);
    } catch (const std::exception& e) {
      const std::string line = std::string("failed: ") + e.what() + "\n";
      static_cast<void>(!::write(ends[1], line.data(), line.size()));
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  std::this_thread::sleep_for(time);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  std::string said;
  char part[4096];
  for (ssize_t n; (n = ::read(ends[0], part, sizeof part)) > 0;) said.append(part, static_cast<size_t>(n));
  ::close(ends[0]);
  return said;
}

void KilledProcess::note(const std::string& said) {
  std::istringstream lines(said);
  for (std::string word, id; lines >> word >> id;) {
    ASSERT_NE(word, "failed:") << said;
    if (word == "made") made_.insert(id);
    if (word == "removing") made_.erase(id), maybe_.insert(id);
    if (word == "removed") maybe_.erase(id);
  }
}

void KilledProcess::check() {
  if (!std::filesystem::exists(home())) return;  // killed before it did anything
  test::unmount_leftovers(place("container"));   // what the process mounted for its user is the user's
  {
    const auto driver = open();
    driver->create(LayerId("next-use"), std::nullopt);
    driver->remove(LayerId("next-use"));
    for (const auto& id : driver->list()) {
      if (made_.contains(id.str())) continue;
      const bool half = !maybe_.contains(id.str());  // not finished, or not yet said to be
      if (half || !driver->exists(id)) {
        driver->remove(id);
        continue;
      }
      EXPECT_EQ(own(*driver, id), id.str()) << "its removal was cut short, but it is there";
      driver->remove(id);
    }
    maybe_.clear();
    for (const auto& id : made_) EXPECT_EQ(own(*driver, LayerId(id)), id);
    while (made_.size() > 6) {
      driver->remove(LayerId(*made_.begin()));
      made_.erase(made_.begin());
    }
  }
  EXPECT_EQ(left_behind(), std::vector<std::string>());
  expect_pool_and_files_agree();
}

// CAIRN_CRASH_ROUNDS says how many are killed.
TEST_F(KilledProcess, LeavesAStoreThatTheNextOneFindsWhole) {
  const char* asked = std::getenv("CAIRN_CRASH_ROUNDS");
  const int rounds = asked != nullptr ? std::atoi(asked) : 12;
  const auto seed = std::random_device()();
  std::mt19937 random(seed);
  for (int round = 0; round < rounds && !HasFailure(); ++round) {
    const std::chrono::milliseconds time(random() % (round == 0 ? 200 : 2500));
    SCOPED_TRACE("seed " + std::to_string(seed) + ", round " + std::to_string(round) + ", killed after " +
                 std::to_string(time.count()) + " ms");
    note(kill_after(time));
    check();
  }
}

}  // namespace cairn::devicemapper
