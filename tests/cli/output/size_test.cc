#include "cli/output/size.h"

#include <gtest/gtest.h>

namespace cairn {

struct SizeCase {
  const char* name;
  int64_t bytes;
  std::string want;
};
class HumanSize : public testing::TestWithParam<SizeCase> {};

TEST_P(HumanSize, IsDockers) { EXPECT_EQ(human_size(GetParam().bytes), GetParam().want); }

INSTANTIATE_TEST_SUITE_P(
    , HumanSize,
    testing::Values(SizeCase{"nothing", 0, "0B"}, SizeCase{"bytes", 999, "999B"},
                    SizeCase{"kilo_is_decimal", 1000, "1kB"}, SizeCase{"three_digits", 1234, "1.23kB"},
                    SizeCase{"mega", 72'800'000, "72.8MB"}, SizeCase{"rounds_up_a_unit", 999'999, "1MB"},
                    SizeCase{"just_below_a_unit", 999'400, "999kB"}, SizeCase{"giga", 1'100'000'000, "1.1GB"},
                    SizeCase{"negative_of_an_old_engine", -1234, "-1.23kB"}, SizeCase{"largest", INT64_MAX, "9.22EB"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(HumanSizeUnsigned, OfUnsignedNumbersBeyondSigned) { EXPECT_EQ(human_size(UINT64_MAX), "18.4EB"); }

}  // namespace cairn
