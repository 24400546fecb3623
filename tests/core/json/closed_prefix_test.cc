#include "core/json/closed_prefix.h"

#include <gtest/gtest.h>

#include "core/json/go_json.h"

namespace cairn {
namespace {

struct Cut {
  const char *name, *text, *whole;
};

class ClosedPrefix : public testing::TestWithParam<Cut> {};

TEST_P(ClosedPrefix, HasTheMembersThatAreWhole) {
  const auto found = go_json::closed_prefix(GetParam().text);
  EXPECT_EQ(found.value_or("none"), GetParam().whole);
  EXPECT_NO_THROW(go_json::check(found.value_or("{}")));
}

INSTANTIATE_TEST_SUITE_P(, ClosedPrefix,
                         testing::Values(Cut{"whole", R"({"a":"b"})", R"({"a":"b"})"}, Cut{"nothing", "", "none"},
                                         Cut{"zeros", "\x01\x01", "none"}, Cut{"bracket", "{", "{}"},
                                         Cut{"in_a_name", R"({"a":{"x":"1","y)", R"({"a":{"x":"1"}})"},
                                         Cut{"before_a_value", R"({"a":{"x":"1","y":)", R"({"a":{"x":"1"}})"},
                                         Cut{"in_a_value", R"({"a":{"x":"1","y":"2)", R"({"a":{"x":"1"}})"},
                                         Cut{"after_a_value", R"({"a":{"x":"1","y":"2")", R"({"a":{"x":"1","y":"2"}})"},
                                         Cut{"after_an_escape", R"({"a":"1","b":"\)", R"({"a":"1"})"},
                                         Cut{"between_objects", R"({"a":{"x":"1"},"b")", R"({"a":{"x":"1"}})"},
                                         Cut{"in_an_empty_object", R"({"a":{)", R"({"a":{}})"},
                                         Cut{"in_a_list", R"({"a":"1","b":["2","3)", R"({"a":"1"})"},
                                         Cut{"overwritten", "{\"a\":\"1\",\x01\x01\x01\"b\":\"2\"}", R"({"a":"1"})"},
                                         Cut{"comma_missing", R"({"a":"1" "b":"2"})", R"({"a":"1"})"},
                                         Cut{"brackets_only", "{{{", "{}"},
                                         Cut{"more_after_the_end", R"({"a":"1"}{"b":"2"})", R"({"a":"1"})"}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(ClosedPrefixOfManyObjects, IsBounded) {
  std::string text;
  for (int i = 0; i < 1'000'000; ++i) text += "{\"a\":";
  EXPECT_LT(go_json::closed_prefix(text)->size(), 1000u);
}

}  // namespace
}  // namespace cairn
