#include "registry/url.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

TEST(PercentEncoded, KeepsOnlyWhatEveryPartOfAUrlMayHold) {
  EXPECT_EQ(percent_encoded("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encoded("repository:a/b:pull,push"), "repository%3Aa%2Fb%3Apull%2Cpush");
  EXPECT_EQ(percent_encoded(std::string("\0 +&=\xc3\xbc", 7)), "%00%20%2B%26%3D%C3%BC");
}

}  // namespace
}  // namespace cairn
