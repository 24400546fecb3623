#include "cli/output/progress.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <thread>

#include "cli/output/table.h"

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
