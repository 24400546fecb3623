#include "core/json/go_time.h"

#include <gtest/gtest.h>

#include <cstdlib>

namespace cairn::go_json {
namespace {

TEST(WriteTime, InUtc) {
  EXPECT_EQ(write_time({0, 0}), "1970-01-01T00:00:00Z");
  EXPECT_EQ(write_time({1'700'000'000, 120'000'000}), "2023-11-14T22:13:20.12Z");
  EXPECT_EQ(write_time({253402300799, 1}), "9999-12-31T23:59:59.000000001Z");
}

TEST(WriteTime, InLocalTime) {
  ::setenv("TZ", "<+0545>-05:45", 1);
  ::tzset();
  EXPECT_EQ(write_time({0, 5}, Zone::local), "1970-01-01T05:45:00.000000005+05:45");
  ::setenv("TZ", "UTC0", 1);
  ::tzset();
  EXPECT_EQ(write_time({0, 0}, Zone::local), "1970-01-01T00:00:00Z");
  ::unsetenv("TZ");
  ::tzset();
}

}  // namespace
}  // namespace cairn::go_json
