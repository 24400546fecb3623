#include "cli/output/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <barrier>
#include <thread>
#include <vector>

#include "cli/output/table.h"
#include "cli/output/work_count.h"

namespace cairn {

TEST(ProgressLine, ShowsBytesItemsRateAndEta) {
  EXPECT_EQ(progress_line({50'000'000, 100'000'000, 3, 12, 5}, 80),
            "[===================>                   ]  50MB/100MB   3/12   10MB/s   ETA 5s");
}

TEST(ProgressLine, NeverExceedsTheWidth) {
  for (unsigned width = 1; width < 120; ++width)
    EXPECT_LE(display_width(progress_line({1, UINT64_MAX, 1, UINT64_MAX, 0.001}, width)), width);
}

TEST(ProgressLine, WithoutTotalsPromisesNothing) {
  const std::string line = progress_line({5'000'000, 0, 0, 0, 2}, 80);
  EXPECT_THAT(line, testing::HasSubstr("5MB"));
  EXPECT_THAT(line, testing::Not(testing::HasSubstr("ETA")));
  EXPECT_THAT(line, testing::Not(testing::HasSubstr("[")));
}

TEST(ProgressLine, CountsItemsWhereBytesAreUnknown) {
  EXPECT_THAT(progress_line({0, 0, 5, 10, 1}, 80), testing::StartsWith("[====================>"));
}

TEST(ProgressLine, GuessesTheEndFromItemsWhereBytesAreUnknown) {
  EXPECT_THAT(progress_line({0, 0, 5, 15, 10}, 80), testing::HasSubstr("ETA 20s"));
}

TEST(ProgressLine, CountsFiles) {
  EXPECT_THAT(progress_line({1, 2, 0, 0, 1, 1234}, 100), testing::HasSubstr("1234 files"));
  EXPECT_THAT(progress_line({1, 2, 0, 0, 1, 1}, 100), testing::HasSubstr("1 file   "));
}

TEST(WorkerLine, SaysWhatOneWorkerDoesAndWhenItIsDone) {
  EXPECT_EQ(worker_line("layer 1a2b", "hashing", {10'000'000, 40'000'000, 0, 0, 2, 95}, 100),
            "layer 1a2b: hashing   10MB/40MB   95 files   5MB/s   ETA 6s");
  EXPECT_EQ(worker_line("layer 1a2b", "linking", {}, 100), "layer 1a2b: linking");
  EXPECT_EQ(worker_line("layer\n1", "linking", {}, 100), "layer\\x0a1: linking");
  EXPECT_LE(display_width(worker_line("layer 1a2b", "hashing", {1, 2, 0, 0, 9, 5}, 20)), 20u);
}

TEST(WorkCount, TellsTheWorkersApartAndAddsThemUp) {
  WorkCount count;
  count.total(1000, 4);
  std::barrier all_counted(5), looked_at(5);
  std::vector<std::thread> threads;
  for (uint64_t i = 1; i <= 4; ++i)
    threads.emplace_back([&, i] {
      const std::string item = "layer " + std::to_string(i);
      count.state(item, "hashing");
      count.expect(i * 100);
      for (uint64_t n = 0; n < 10; ++n) count.advance(i), count.files(1);
      all_counted.arrive_and_wait();
      looked_at.arrive_and_wait();
      count.state(item, "hashed");
      count.item_done();
    });
  all_counted.arrive_and_wait();
  const auto during = count.snapshot();
  looked_at.arrive_and_wait();
  for (auto& thread : threads) thread.join();
  ASSERT_EQ(during.workers.size(), 4u);
  for (const auto& worker : during.workers) {
    const uint64_t i = worker.item.back() - static_cast<uint64_t>('0');
    EXPECT_EQ(worker.totals.bytes, i * 10);
    EXPECT_EQ(worker.totals.bytes_total, i * 100);
    EXPECT_EQ(worker.totals.files, 10u);
    EXPECT_EQ(worker.state, "hashing");
  }
  EXPECT_EQ(during.totals.bytes, 100u);
  const auto after = count.snapshot();
  EXPECT_TRUE(after.workers.empty());
  EXPECT_EQ(after.totals.bytes, 100u);
  EXPECT_EQ(after.totals.files, 40u);
  EXPECT_EQ(after.totals.items, 4u);
  EXPECT_EQ(after.totals.bytes_total, 1000u);
}

TEST(WorkCount, CountsWhatNobodySaidHeDoes) {
  WorkCount one, other;
  one.state("layer 1", "hashing");
  other.advance(7);  // this thread works for `one`
  one.advance(5);
  one.state("layer 1", "hashed");
  one.advance(3);
  EXPECT_EQ(other.snapshot().totals.bytes, 7u);
  EXPECT_EQ(one.snapshot().totals.bytes, 8u);
}

TEST(WorkCount, ANextStateOfOneItemKeepsWhatWasDone) {
  WorkCount count;
  count.state("layer 1", "hashing");
  count.advance(5);
  count.state("layer 1", "linking");
  count.advance(2);
  const auto now = count.snapshot();
  ASSERT_EQ(now.workers.size(), 1u);
  EXPECT_EQ(now.workers[0].totals.bytes, 2u);
  EXPECT_EQ(now.totals.bytes, 7u);
}

TEST(PlainProgress, TellsOfTheWholeNowAndThen) {
  testing::internal::CaptureStderr();
  {
    const auto progress = make_progress(ProgressStyle::plain, std::chrono::milliseconds(5));
    progress->total(2000, 3);
    progress->state("layer 1", "hashing");
    progress->advance(1000);
    progress->files(7);
    std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  EXPECT_THAT(testing::internal::GetCapturedStderr(), testing::HasSubstr("cairn: 1kB/2kB   0/3   7 files"));
}

TEST(ProgressLine, IsFullAtTheEndAndBeyond) {
  EXPECT_THAT(progress_line({10, 10, 1, 1, 1}, 80), testing::HasSubstr("=]"));
  EXPECT_THAT(progress_line({20, 10, 2, 1, 1}, 80), testing::HasSubstr("=]"));
}

TEST(ClockTime, GrowsUnits) {
  EXPECT_EQ(clock_time(0), "0s");
  EXPECT_EQ(clock_time(59.4), "59s");
  EXPECT_EQ(clock_time(185), "3m05s");
  EXPECT_EQ(clock_time(3720), "1h02m");
}

TEST(PlainProgress, WritesOneLinePerStateChangeFromAnyThread) {
  testing::internal::CaptureStderr();
  {
    const auto progress = make_progress(ProgressStyle::plain);
    std::vector<std::thread> threads;
    for (int i = 0; i < 4; ++i)
      threads.emplace_back([&progress, i] {
        for (int n = 0; n < 50; ++n) progress->state("layer " + std::to_string(i), "hashing");
      });
    for (auto& thread : threads) thread.join();
    progress->advance(1000);
    progress->warn("careful");
  }
  const std::string said = testing::internal::GetCapturedStderr();
  EXPECT_EQ(std::count(said.begin(), said.end(), '\n'), 201);
  EXPECT_THAT(said, testing::HasSubstr("cairn: layer 3: hashing\n"));
  EXPECT_THAT(said, testing::HasSubstr("cairn: warning: careful\n"));
}

TEST(QuietProgress, StillWarns) {
  testing::internal::CaptureStderr();
  const auto progress = make_progress(ProgressStyle::none);
  progress->state("layer 1", "hashing");
  progress->warn("careful");
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "cairn: warning: careful\n");
}

}  // namespace cairn
