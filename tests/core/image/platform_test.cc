#include "core/image/platform.h"

#include <gtest/gtest.h>

#include "core/util/error.h"

namespace cairn {
namespace {

TEST(Platforms, AreReadAndWritten) {
  EXPECT_EQ(parse_platform("linux/arm64/v8"), (Platform{"linux", "arm64", "v8"}));
  EXPECT_EQ(parse_platform("linux/amd64").text(), "linux/amd64");
  EXPECT_EQ(parse_platform("linux/arm/v7").text(), "linux/arm/v7");
  for (const char* text : {"", "linux", "linux/", "/amd64", "linux/arm/v7/x", "linux//v7", "linux/amd64/"})
    EXPECT_THROW(parse_platform(text), Error) << text;
  EXPECT_EQ(host_platform().os, "linux");
  EXPECT_FALSE(host_platform().architecture.empty());
}

struct FitCase {
  const char *wanted, *better, *worse;  // worse may be ""
};
class Fit : public testing::TestWithParam<FitCase> {};
TEST_P(Fit, PrefersTheNearestThatRuns) {
  const auto wanted = parse_platform(GetParam().wanted);
  const int better = platform_fit(wanted, parse_platform(GetParam().better));
  EXPECT_GT(better, 0);
  if (*GetParam().worse) {
    EXPECT_GT(better, platform_fit(wanted, parse_platform(GetParam().worse)));
  }
}
INSTANTIATE_TEST_SUITE_P(, Fit,
                         testing::Values(FitCase{"linux/amd64", "linux/amd64", "linux/amd64/v3"},
                                         FitCase{"linux/amd64/v3", "linux/amd64/v2", "linux/amd64"},
                                         FitCase{"linux/arm64", "linux/arm64/v8", "linux/arm"},
                                         FitCase{"linux/arm/v7", "linux/arm", "linux/arm/v6"},
                                         FitCase{"linux/arm/v6", "linux/arm/v5", "linux/arm/v7"},
                                         FitCase{"linux/riscv64", "linux/riscv64", "windows/riscv64"}));

TEST(Platforms, NothingElseRuns) {
  EXPECT_EQ(platform_fit({"linux", "amd64", ""}, {"linux", "arm64", ""}), 0);
  EXPECT_EQ(platform_fit({"linux", "amd64", ""}, {"windows", "amd64", ""}), 0);
  EXPECT_EQ(platform_fit({"linux", "arm", "v6"}, {"linux", "arm", "v7"}), 0);
}

}  // namespace
}  // namespace cairn
