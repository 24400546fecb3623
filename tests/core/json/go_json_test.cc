#include "core/json/go_json.h"

#include <gtest/gtest.h>

#include "core/util/error.h"

namespace cairn::go_json {
namespace {

std::string repeat(const std::string& text, size_t count) {
  std::string out;
  for (size_t i = 0; i < count; ++i) out += text;
  return out;
}

struct RefusedCase {
  const char* name;
  std::string text;
  size_t offset;
};
class Refused : public testing::TestWithParam<RefusedCase> {};
TEST_P(Refused, NamesTheByte) {
  try {
    check(GetParam().text);
    FAIL() << "was accepted: " << GetParam().text;
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::corrupt);
    EXPECT_NE((std::string(e.what()) + "$").find(" at byte " + std::to_string(GetParam().offset) + "$"),
              std::string::npos)
        << e.what();
  }
}
INSTANTIATE_TEST_SUITE_P(
    , Refused,
    testing::Values(RefusedCase{"nothing", "", 0}, RefusedCase{"only_space", " \n", 2},
                    RefusedCase{"byte_order_mark", "\xef\xbb\xbf{}", 0}, RefusedCase{"two_values", "{} {}", 3},
                    RefusedCase{"trailing_comma_in_array", "[1,]", 3},
                    RefusedCase{"trailing_comma_in_object", R"({"a":1,})", 7},
                    RefusedCase{"missing_colon", R"({"a" 1})", 5}, RefusedCase{"key_without_quotes", "{a:1}", 1},
                    RefusedCase{"leading_zero", "01", 1}, RefusedCase{"plus", "+1", 0},
                    RefusedCase{"point_without_digits", "1.", 2}, RefusedCase{"exponent_without_digits", "1e+", 3},
                    RefusedCase{"lone_minus", "-", 1}, RefusedCase{"half_a_word", "[tru]", 1},
                    RefusedCase{"not_a_number", "NaN", 0}, RefusedCase{"newline_in_string", "\"a\nb\"", 2},
                    RefusedCase{"unfinished_string", "\"abc", 4}, RefusedCase{"unfinished_escape", "\"\\", 2},
                    RefusedCase{"unknown_escape", R"("\x41")", 2},
                    RefusedCase{"short_unicode_escape", R"("\u12g4")", 5}, RefusedCase{"wrong_bracket", "[1}", 2},
                    RefusedCase{"unclosed", "[[1]", 4}, RefusedCase{"zero_byte", std::string("\0", 1), 0},
                    RefusedCase{"single_quotes", "{'a':1}", 1}, RefusedCase{"comment", "/**/1", 0},
                    RefusedCase{"nested_10001_deep", repeat("[", 10001) + repeat("]", 10001), 10000},
                    RefusedCase{"a_million_brackets", repeat("{\"\":[", 500000), 25000}),
    [](const auto& test) { return std::string(test.param.name); });

class Accepted : public testing::TestWithParam<std::string> {};
TEST_P(Accepted, IsOneValue) { EXPECT_NO_THROW(check(GetParam())); }
INSTANTIATE_TEST_SUITE_P(, Accepted,
                         testing::Values("null", " true\r\n", "-0", "1.5e-10", "0E+1", "[]", "[ ]", "{ }",
                                         R"({"a":{},"a":[{}, [] ]})", R"("\u00F6\"\\\/\b\f\n\r\t")", "\"\xff\x7f\"",
                                         "12345678901234567890123", repeat("[", 10000) + repeat("]", 10000)));

TEST(Members, KeepsOrderDuplicatesAndExactBytes) {
  const auto list = members(" { \"b\" : 1.50 , \"a\":[ 1, 2 ]\n,\"b\":\"x\" } ");
  ASSERT_EQ(list.size(), 3u);
  EXPECT_EQ(list[0].key, "b");
  EXPECT_EQ(list[0].raw, "1.50");
  EXPECT_EQ(list[1].raw, "[ 1, 2 ]");
  EXPECT_EQ(list[2].raw, "\"x\"");
}

TEST(Members, CountTheEnclosingObjectAsDepth) {
  EXPECT_NO_THROW(members("{\"a\":" + repeat("[", 9999) + repeat("]", 9999) + "}"));
  EXPECT_THROW(members("{\"a\":" + repeat("[", 10000) + repeat("]", 10000) + "}"), Error);
}

TEST(Members, OfSomethingElseAreRefused) {
  for (const char* text : {"[]", "null", "1", "{\"a\":1", "{\"a\":1}x", "{\"a\":1 \"b\":2}"})
    EXPECT_THROW(members(text), Error) << text;
  EXPECT_THROW(elements("{}"), Error);
  EXPECT_THROW(elements("[1 2]"), Error);
}

TEST(Elements, AreRawValues) {
  EXPECT_EQ(elements("[ 1 ,{\"a\": 2} ]"), (std::vector<std::string_view>{"1", "{\"a\": 2}"}));
  EXPECT_TRUE(elements("[ ]").empty());
}

TEST(Object, LastDuplicateWinsAfterDecodingKeys) {
  const auto got = object(R"({"a":1,"\u0061":2,"A":3})");
  EXPECT_EQ(got, (RawObject{{"A", "3"}, {"a", "2"}}));
}

TEST(FieldLookup, IgnoresCaseAndTakesTheLast) {
  const auto list = members(R"({"repotags":1,"RepoTags":2,"REPOTAGS":3,"Other":4})");
  ASSERT_NE(find_field(list, "RepoTags"), nullptr);
  EXPECT_EQ(find_field(list, "RepoTags")->raw, "3");
  EXPECT_EQ(find_field(list, "Repo"), nullptr);
}

TEST(FieldLookup, FoldsLikeUnicodeWhereAsciiHasTwins) {
  EXPECT_TRUE(key_matches("o\xc5\xbf", "os"));  // long s
  EXPECT_TRUE(
      key_matches("Networ\xe2\x84\xaa"
                  "Disabled",
                  "NetworkDisabled"));  // Kelvin sign
  EXPECT_FALSE(key_matches("docker-version", "docker_version"));
  EXPECT_FALSE(key_matches("\xc3\xb6s", "os"));
}

struct UnquoteCase {
  const char* name;
  std::string raw, want;
};
class Unquote : public testing::TestWithParam<UnquoteCase> {};
TEST_P(Unquote, Decodes) { EXPECT_EQ(unquote(GetParam().raw), GetParam().want); }
INSTANTIATE_TEST_SUITE_P(, Unquote,
                         testing::Values(UnquoteCase{"plain", R"("abc")", "abc"}, UnquoteCase{"empty", R"("")", ""},
                                         UnquoteCase{"short_escapes", R"("\"\\\/\b\f\n\r\t")", "\"\\/\b\f\n\r\t"},
                                         UnquoteCase{"unicode_escape", R"("J\u00f6\u20AC")", "J\xc3\xb6\xe2\x82\xac"},
                                         UnquoteCase{"nul", R"("\u0000")", std::string(1, '\0')},
                                         UnquoteCase{"surrogate_pair", R"("\ud83d\ude00")", "\xf0\x9f\x98\x80"},
                                         UnquoteCase{"lone_high_surrogate", R"("\ud83dx")", "\xef\xbf\xbdx"},
                                         UnquoteCase{"lone_low_surrogate", R"("\ude00")", "\xef\xbf\xbd"},
                                         UnquoteCase{"high_then_ordinary_escape", R"("\ud83d\u0041")",
                                                     "\xef\xbf\xbd"
                                                     "A"},
                                         UnquoteCase{"two_high_then_low", R"("\ud83d\ud83d\ude00")",
                                                     "\xef\xbf\xbd\xf0\x9f\x98\x80"},
                                         UnquoteCase{"invalid_bytes_one_by_one", "\"\xff\xc3(\xe2\x82\"",
                                                     "\xef\xbf\xbd\xef\xbf\xbd(\xef\xbf\xbd\xef\xbf\xbd"},
                                         UnquoteCase{"overlong_and_surrogate_bytes", "\"\xc0\x80\xed\xa0\x80\"",
                                                     "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}),
                         [](const auto& test) { return std::string(test.param.name); });

TEST(Quote, EscapesAsGoDoes) {
  EXPECT_EQ(quote("\"\\\n\r\t\b\f\x01/\x7f"), "\"\\\"\\\\\\n\\r\\t\\u0008\\u000c\\u0001/\x7f\"");
  EXPECT_EQ(quote("a<b>&c"), R"("a\u003cb\u003e\u0026c")");
  EXPECT_EQ(quote("\xe2\x80\xa8\xe2\x80\xa9\xe2\x80\xa7"), "\"\\u2028\\u2029\xe2\x80\xa7\"");
  EXPECT_EQ(quote("\xc3\xb6\xff\xf0\x9f\x98\x80"), "\"\xc3\xb6\\ufffd\xf0\x9f\x98\x80\"");
}

TEST(Compact, KeepsSpellingAndEscapesHtml) {
  EXPECT_EQ(compact(" { \"a\" : [ 1.50 , 1e3,\t\"\\u003C \\/ <\" ] } "), R"({"a":[1.50,1e3,"\u003C \/ \u003c"]})");
  EXPECT_EQ(compact("\"a \\\" \xe2\x80\xa8 \xff\""), "\"a \\\" \\u2028 \xff\"");
  EXPECT_EQ(compact("\"\\\\\" "), "\"\\\\\"");
}

TEST(Encode, SortsKeysByBytes) {
  EXPECT_EQ(encode(RawObject{{"b", "1"}, {"B", " 2 "}, {"<", "null"}, {"\xc3\xb6", "[]"}}),
            "{\"\\u003c\":null,\"B\":2,\"b\":1,\"\xc3\xb6\":[]}");
  EXPECT_EQ(encode(RawObject{}), "{}");
}

}  // namespace
}  // namespace cairn::go_json
