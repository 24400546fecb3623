#include "cli/output/table.h"

#include <gtest/gtest.h>

namespace cairn {

TEST(FormatTable, PadsToTheWidestAndThreeSpaces) {
  EXPECT_EQ(format_table({{"NAME", "ID"}, {"a-long-name", "1"}}), "NAME          ID\na-long-name   1\n");
}

TEST(FormatTable, LeavesNoSpacesAtTheEnd) {
  EXPECT_EQ(format_table({{"A", "B", "C"}, {"x", "", ""}, {"y"}}), "A   B   C\nx\ny\n");
}

TEST(FormatTable, CountsCodePointsNotBytes) { EXPECT_EQ(format_table({{"é", "x"}, {"ab", "y"}}), "é    x\nab   y\n"); }

TEST(Ellipsis, KeepsTheWidth) {
  EXPECT_EQ(ellipsis("short", 5), "short");
  EXPECT_EQ(ellipsis("longer", 5), "long…");
  EXPECT_EQ(ellipsis("ééééé", 3), "éé…");
  EXPECT_EQ(ellipsis("ééééé", 1), "…");
  EXPECT_EQ(ellipsis("ééééé", 0), "");
  EXPECT_EQ(ellipsis("", 0), "");
}

TEST(ShortId, CutsIdsOnly) {
  const std::string hex(64, 'a');
  EXPECT_EQ(short_id("sha256:" + hex), std::string(12, 'a'));
  EXPECT_EQ(short_id(hex), std::string(12, 'a'));
  EXPECT_EQ(short_id("<missing>"), "<missing>");
  EXPECT_EQ(short_id("busybox:latest"), "busybox:latest");
}

}  // namespace cairn
