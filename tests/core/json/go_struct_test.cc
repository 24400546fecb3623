#include "core/json/go_struct.h"

#include <gtest/gtest.h>

#include "core/util/error.h"

namespace cairn::go_json {
namespace {

struct Inner {
  std::string text;
  int64_t count = 0;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("Text", self.text, Omit::never);
    visit("Count", self.count, Omit::empty);
  }
};
struct Outer {
  bool flag = false;
  Strings list;
  StringSet set;
  StringMap map;
  OneOrMore command;
  Inner inner;
  std::optional<Inner> pointer;
  Time time;
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("flag", self.flag, Omit::empty);
    visit("list", self.list, Omit::never);
    visit("set", self.set, Omit::empty);
    visit("map", self.map, Omit::never);
    visit("command", self.command, Omit::never);
    visit("inner", self.inner, Omit::empty);
    visit("pointer", self.pointer, Omit::empty);
    visit("time", self.time, Omit::empty);
  }
};

constexpr auto kDefaults =
    R"({"list":null,"map":null,"command":null,"inner":{"Text":""},"time":"0001-01-01T00:00:00Z"})";

struct RewriteCase {
  const char* name;
  std::string text, want;
};
class Rewrite : public testing::TestWithParam<RewriteCase> {};
TEST_P(Rewrite, AsGoWould) { EXPECT_EQ(encode(read_struct<Outer>(GetParam().text)), GetParam().want); }
INSTANTIATE_TEST_SUITE_P(
    , Rewrite,
    testing::Values(
        RewriteCase{"empty_object", " {} ", kDefaults}, RewriteCase{"null_document", "null", kDefaults},
        RewriteCase{"nulls_and_unknown_keys",
                    R"({"flag":null,"inner":null,"pointer":null,"list":null,"time":null,"x":[{}]})", kDefaults},
        RewriteCase{
            "empty_is_not_nil", R"({"list":[],"set":{},"map":{},"command":[],"pointer":{}})",
            R"({"list":[],"map":{},"command":[],"inner":{"Text":""},"pointer":{"Text":""},"time":"0001-01-01T00:00:00Z"})"},
        RewriteCase{
            "values",
            R"({"FLAG":true,"list":["a",null],"set":{"b":{"x":1},"a":null},"map":{"k":"v","k":null},"command":"sh",)"
            R"("inner":{"text":"<","count":-5},"time":"2015-01-02T03:04:05.500Z"})",
            R"({"flag":true,"list":["a",""],"set":{"a":{},"b":{}},"map":{"k":""},"command":["sh"],)"
            R"("inner":{"Text":"\u003c","Count":-5},"time":"2015-01-02T03:04:05.5Z"})"},
        RewriteCase{
            "later_keys_overwrite_and_null_does_not",
            R"({"inner":{"Text":"a","TEXT":"b","text":null,"Count":1},"INNER":{"count":2}})",
            R"({"list":null,"map":null,"command":null,"inner":{"Text":"b","Count":2},"time":"0001-01-01T00:00:00Z"})"},
        RewriteCase{"null_clears_a_pointer", R"({"pointer":{"Text":"a"},"Pointer":null})", kDefaults}),
    [](const auto& test) { return std::string(test.param.name); });

class WrongType : public testing::TestWithParam<std::string> {};
TEST_P(WrongType, IsRefused) {
  try {
    read_struct<Outer>(GetParam());
    FAIL() << "was accepted: " << GetParam();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::corrupt);
  }
}
INSTANTIATE_TEST_SUITE_P(, WrongType,
                         testing::Values("[]", "\"x\"", R"({"flag":"yes"})", R"({"flag":1})", R"({"list":"a"})",
                                         R"({"list":[1]})", R"({"set":[]})", R"({"set":{"a":1}})", R"({"map":{"a":1}})",
                                         R"({"command":1})", R"({"command":["a",{}]})", R"({"inner":[]})",
                                         R"({"inner":{"Count":1.0}})", R"({"inner":{"Count":1e3}})",
                                         R"({"inner":{"Count":9223372036854775808}})", R"({"inner":{"Count":"1"}})",
                                         R"({"inner":{"Text":1}})", R"({"time":1})", R"({"time":""})", R"({"x":1)"));

struct TimeCase {
  const char *text, *want;
};
class GoTime : public testing::TestWithParam<TimeCase> {};
TEST_P(GoTime, IsRewritten) { EXPECT_EQ(rewrite_time(GetParam().text), GetParam().want); }
TEST(GoSeconds, CountFrom1970) {
  EXPECT_EQ(seconds_of("1970-01-01T00:00:00Z"), 0);
  EXPECT_EQ(seconds_of("2020-02-03T04:05:06.789+01:30"), 1580697306);
  EXPECT_EQ(seconds_of("2020-02-03T01:05:06-01:30"), 1580697306);
  EXPECT_EQ(seconds_of("1969-12-31T23:59:59Z"), -1);
  EXPECT_EQ(seconds_of(kZeroTime), -62135596800);
  EXPECT_THROW(seconds_of("2020-02-30T00:00:00Z"), Error);
}
INSTANTIATE_TEST_SUITE_P(, GoTime,
                         testing::Values(TimeCase{"2013-06-13T14:03:50.8217690-07:00",
                                                  "2013-06-13T14:03:50.821769-07:00"},
                                         TimeCase{"2015-12-01T10:00:00.000Z", "2015-12-01T10:00:00Z"},
                                         TimeCase{"2015-12-01T10:00:00+00:00", "2015-12-01T10:00:00Z"},
                                         TimeCase{"2015-12-01T10:00:00-00:00", "2015-12-01T10:00:00Z"},
                                         TimeCase{"2015-12-01T10:00:00+05:30", "2015-12-01T10:00:00+05:30"},
                                         TimeCase{"2015-12-01T10:00:00.1234567891Z", "2015-12-01T10:00:00.123456789Z"},
                                         TimeCase{"2016-02-29T23:59:59.010Z", "2016-02-29T23:59:59.01Z"},
                                         TimeCase{"0001-01-01T00:00:00Z", "0001-01-01T00:00:00Z"}));

class BadTime : public testing::TestWithParam<const char*> {};
TEST_P(BadTime, IsRefused) { EXPECT_THROW(rewrite_time(GetParam()), Error); }
INSTANTIATE_TEST_SUITE_P(, BadTime,
                         testing::Values("", "2015-12-01", "2015-12-01 10:00:00Z", "2015-12-01T10:00:00",
                                         "2015-12-01T10:00:00.Z", "2015-12-01T10:00:00+0530", "2015-12-01T10:00:00Zx",
                                         "2015-13-01T10:00:00Z", "2015-02-29T10:00:00Z", "2015-12-00T10:00:00Z",
                                         "2015-12-01T24:00:00Z", "2015-12-01T10:60:00Z", "2015-12-01T10:00:60Z",
                                         "2015-12-01T10:00:00+25:00", "2015-12-01T10:00:00+05:3x",
                                         "15-12-01T10:00:00Z"));

}  // namespace
}  // namespace cairn::go_json
