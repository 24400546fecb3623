#include "cli/output/age.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace cairn {

struct TimeCase {
  const char* name;
  std::string text;
  std::optional<Instant> want;
};
class ParseTime : public testing::TestWithParam<TimeCase> {};

TEST_P(ParseTime, ReadsRfc3339) {
  const auto got = parse_time(GetParam().text);
  ASSERT_EQ(got.has_value(), GetParam().want.has_value());
  if (got) {
    EXPECT_EQ(got->seconds, GetParam().want->seconds);
    EXPECT_EQ(got->nanoseconds, GetParam().want->nanoseconds);
  }
}

INSTANTIATE_TEST_SUITE_P(
    , ParseTime,
    testing::Values(TimeCase{"epoch", "1970-01-01T00:00:00Z", Instant{0, 0}},
                    TimeCase{"fraction", "2015-06-12T14:32:33.5Z", Instant{1434119553, 500'000'000}},
                    TimeCase{"nanoseconds", "2015-06-12T14:32:33.000000007Z", Instant{1434119553, 7}},
                    TimeCase{"offset_east", "2015-06-12T16:32:33+02:00", Instant{1434119553, 0}},
                    TimeCase{"offset_west", "2015-06-12T09:02:33-05:30", Instant{1434119553, 0}},
                    TimeCase{"before_the_epoch", "1969-12-31T23:59:59Z", Instant{-1, 0}},
                    TimeCase{"leap_day", "2024-02-29T00:00:00Z", Instant{1709164800, 0}},
                    TimeCase{"far_future", "2286-11-20T17:46:40Z", Instant{10'000'000'000, 0}},
                    TimeCase{"zero_time_is_unknown", "0001-01-01T00:00:00Z", std::nullopt},
                    TimeCase{"nothing", "", std::nullopt}, TimeCase{"month_13", "2015-13-01T00:00:00Z", std::nullopt},
                    TimeCase{"no_zone", "2015-06-12T14:32:33", std::nullopt},
                    TimeCase{"trailing_bytes", "2015-06-12T14:32:33Zx", std::nullopt},
                    TimeCase{"dot_without_digits", "2015-06-12T14:32:33.Z", std::nullopt},
                    TimeCase{"endless_fraction", "1970-01-01T00:00:00." + std::string(1000, '0') + "1Z",
                             Instant{0, 0}}),
    [](const auto& test) { return std::string(test.param.name); });

struct DurationCase {
  int64_t seconds;
  std::string want;
};
class HumanDuration : public testing::TestWithParam<DurationCase> {};

TEST_P(HumanDuration, IsDockers) { EXPECT_EQ(human_duration(GetParam().seconds), GetParam().want); }

INSTANTIATE_TEST_SUITE_P(, HumanDuration,
                         testing::Values(DurationCase{-5, "Less than a second"}, DurationCase{0, "Less than a second"},
                                         DurationCase{1, "1 second"}, DurationCase{59, "59 seconds"},
                                         DurationCase{60, "About a minute"}, DurationCase{3599, "59 minutes"},
                                         DurationCase{3600, "About an hour"}, DurationCase{47 * 3600, "47 hours"},
                                         DurationCase{48 * 3600, "2 days"}, DurationCase{14 * 86400, "2 weeks"},
                                         DurationCase{60 * 86400, "2 months"}, DurationCase{730 * 86400, "2 years"}));

TEST(Age, OfTheUnknownIsNotGuessed) {
  EXPECT_EQ(age("2015-06-12T14:32:33Z", 1434119553 + 120), "2 minutes ago");
  EXPECT_EQ(age("0001-01-01T00:00:00Z", 1434119553), "N/A");
  EXPECT_EQ(age("yesterday", 1434119553), "N/A");
}

class LocalTime : public testing::Test {
 protected:
  void SetUp() override {
    ::setenv("TZ", "EST5", 1);
    ::tzset();
  }
  void TearDown() override {
    ::unsetenv("TZ");
    ::tzset();
  }
};

TEST_F(LocalTime, ShowsTheZone) {
  EXPECT_EQ(local_time("2015-06-12T14:32:33.9Z"), "2015-06-12 09:32:33 -0500 EST");
  EXPECT_EQ(local_rfc3339("2015-06-12T14:32:33Z"), "2015-06-12T09:32:33-05:00");
  EXPECT_EQ(local_minute(1434119553), "2015-06-12 09:32");
  EXPECT_EQ(local_time("garbage"), "garbage");
}

TEST_F(LocalTime, OfUtcIsWrittenWithZ) {
  ::setenv("TZ", "UTC", 1);
  ::tzset();
  EXPECT_EQ(local_rfc3339("2015-06-12T16:32:33+02:00"), "2015-06-12T14:32:33Z");
  EXPECT_EQ(utc_rfc3339({1434119553, 6}), "2015-06-12T14:32:33.000000006Z");
}

}  // namespace cairn
