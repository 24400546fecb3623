#include "registry/ip_range.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

TEST(IpRange, IsReadInBothFamilies) {
  for (const char* good : {"127.0.0.0/8", "10.1.2.3/32", "0.0.0.0/0", "::1/128", "fd00::/8", "::/0"})
    EXPECT_TRUE(IpRange::parse(good)) << good;
  for (const char* bad : {"", "/", "127.0.0.1", "127.0.0.0/", "127.0.0.0/33", "127.0.0.0/-1", "127.0.0.0/8x", "::1/129",
                          "host/8", "1.2.3/8", "127.0.0.0/99999999999999999999"})
    EXPECT_FALSE(IpRange::parse(bad)) << bad;
}

bool holds(const char* range, const char* address) { return IpRange::parse(range)->contains(address); }

TEST(IpRange, ContainsWhatBeginsAsItDoes) {
  EXPECT_TRUE(holds("127.0.0.0/8", "127.255.0.1"));
  EXPECT_FALSE(holds("127.0.0.0/8", "128.0.0.1"));
  EXPECT_TRUE(holds("10.0.0.0/9", "10.127.0.1"));
  EXPECT_FALSE(holds("10.0.0.0/9", "10.128.0.1"));
  EXPECT_TRUE(holds("10.1.2.3/32", "10.1.2.3"));
  EXPECT_FALSE(holds("10.1.2.3/32", "10.1.2.2"));
  EXPECT_TRUE(holds("0.0.0.0/0", "1.2.3.4"));
  EXPECT_FALSE(holds("0.0.0.0/0", "fd00::1"));
  EXPECT_TRUE(holds("fd00::/8", "fdff::1"));
  EXPECT_FALSE(holds("fd00::/8", "fe00::1"));
  EXPECT_TRUE(holds("127.0.0.0/8", "::ffff:127.0.0.1"));
  EXPECT_FALSE(holds("127.0.0.0/8", "localhost"));
}

}  // namespace
}  // namespace cairn
