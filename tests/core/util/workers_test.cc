#include "core/util/workers.h"

#include <gtest/gtest.h>

#include <latch>
#include <mutex>
#include <set>

#include "core/util/error.h"

namespace cairn {
namespace {

TEST(RunParallel, RunsEveryTaskOnce) {
  std::mutex mutex;
  std::multiset<size_t> seen;
  run_parallel(4, 100, [&](size_t i) {
    const std::lock_guard lock(mutex);
    seen.insert(i);
  });
  ASSERT_EQ(seen.size(), 100u);
  for (size_t i = 0; i < 100; ++i) EXPECT_EQ(seen.count(i), 1u);
}

TEST(RunParallel, NothingIsStartedAfterAFailure) {
  int started = 0;
  EXPECT_THROW(run_parallel(1, 1000,
                            [&](size_t i) {
                              ++started;
                              if (i == 3) throw Error(Errc::corrupt, "three");
                            }),
               Error);
  EXPECT_EQ(started, 4);
}

TEST(RunParallel, TheFailureOfTheLowestIndexReachesTheCaller) {
  std::latch both_run(2);
  try {
    run_parallel(2, 2, [&](size_t i) {
      both_run.arrive_and_wait();
      throw Error(Errc::corrupt, std::to_string(i));
    });
    FAIL() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_STREQ(e.what(), "0");
  }
}

TEST(RunGraph, StartsATaskAfterAllItNeeds) {
  std::mutex mutex;
  std::vector<size_t> order;
  TaskGraph graph;
  graph.needs = {{}, {0}, {0}, {1, 2}};
  graph.run = [&](size_t i) {
    const std::lock_guard lock(mutex);
    order.push_back(i);
  };
  run_graph(4, graph);
  ASSERT_EQ(order.size(), 4u);
  EXPECT_EQ(order.front(), 0u);
  EXPECT_EQ(order.back(), 3u);
}

TEST(RunGraph, AFailureStopsOnlyWhatNeedsIt) {
  std::mutex mutex;
  std::set<size_t> ran, failed;
  TaskGraph graph;
  graph.needs = {{}, {0}, {1}, {}};
  graph.run = [&](size_t i) {
    if (i == 0) throw Error(Errc::corrupt, "broken");
    const std::lock_guard lock(mutex);
    ran.insert(i);
  };
  graph.failed = [&](size_t i, const std::string& cause) {
    EXPECT_EQ(cause, "broken");
    failed.insert(i);
  };
  run_graph(2, graph);
  EXPECT_EQ(ran, std::set<size_t>{3});
  EXPECT_EQ(failed, (std::set<size_t>{0, 1, 2}));
}

TEST(RunGraph, ACycleIsRefused) {
  TaskGraph graph;
  graph.needs = {{1}, {0}};
  graph.run = [](size_t) {};
  EXPECT_THROW(run_graph(2, graph), Error);
}

TEST(AvailableCpus, IsAtLeastOne) { EXPECT_GE(available_cpus(), 1u); }

}  // namespace
}  // namespace cairn
