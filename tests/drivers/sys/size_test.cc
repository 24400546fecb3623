#include "drivers/sys/size.h"

#include <gtest/gtest.h>

#include "core/util/error.h"

namespace cairn {

TEST(Sizes, AreReadAsEnginesDo) {
  EXPECT_EQ(parse_size("1024"), 1024u);
  EXPECT_EQ(parse_size("10G"), 10ull << 30);
  EXPECT_EQ(parse_size("512mb"), 512ull << 20);
  EXPECT_EQ(parse_size("1.5KiB"), 1536u);
  for (const char* bad : {"", "G", "-1", "10X", "10GG", "1e30"}) EXPECT_THROW(parse_size(bad), Error) << bad;
}

}  // namespace cairn
