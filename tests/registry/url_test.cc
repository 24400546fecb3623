#include "registry/url.h"

#include <gtest/gtest.h>

#include "core/util/error.h"

namespace cairn {
namespace {

TEST(PercentEncoded, KeepsOnlyWhatEveryPartOfAUrlMayHold) {
  EXPECT_EQ(percent_encoded("aZ09-._~"), "aZ09-._~");
  EXPECT_EQ(percent_encoded("repository:a/b:pull,push"), "repository%3Aa%2Fb%3Apull%2Cpush");
  EXPECT_EQ(percent_encoded(std::string("\0 +&=\xc3\xbc", 7)), "%00%20%2B%26%3D%C3%BC");
}

TEST(Origin, IsTheSameHoweverItIsSpelled) {
  for (const char* same :
       {"https://r.example", "https://R.Example/v2/", "HTTPS://r.example:443/x?y", "https://me:pw@r.example/"})
    EXPECT_EQ(origin_of(same), "https://r.example:443") << same;
  EXPECT_EQ(origin_of("http://127.0.0.1:5000/v2/"), "http://127.0.0.1:5000");
  EXPECT_NE(origin_of("http://r.example"), origin_of("https://r.example"));
  EXPECT_NE(origin_of("https://r.example.evil"), origin_of("https://r.example"));
  for (const char* none : {"", "r.example/v2", "https://", "https://a b/", "https://r.example:99999/"})
    EXPECT_THROW(origin_of(none), Error) << none;
}

TEST(ResolvedUrl, IsWhatALocationMeans) {
  const std::string base = "https://r.example:5000/v2/a/blobs/uploads/";
  EXPECT_EQ(resolved_url(base, "/v2/b?_state=x%3D&y"), "https://r.example:5000/v2/b?_state=x%3D&y");
  EXPECT_EQ(resolved_url(base, "id?x=1"), base + "id?x=1");
  EXPECT_EQ(resolved_url(base + "id?x=1", "?x=2"), base + "id?x=2");
  EXPECT_EQ(resolved_url(base, "//other/x"), "https://other/x");
  EXPECT_EQ(resolved_url(base, "HTTP://other/x y"), "http://other/x%20y");
  EXPECT_THROW(resolved_url(base, "http://"), Error);
  EXPECT_THROW(resolved_url(base, "/x\r\ny"), Error);
}

}  // namespace
}  // namespace cairn
