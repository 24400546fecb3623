#include "cli/output/format.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/util/error.h"

namespace cairn {

constexpr Field kFields[] = {{"ID", "IMAGE ID"}, {"Tag", "TAG"}};
const std::vector<Row> kRows = {{"12ab", "latest"}, {"34cd", "1"}};

struct FormatCase {
  const char* name;
  std::string text, want;
};
class FormatRenders : public testing::TestWithParam<FormatCase> {};

TEST_P(FormatRenders, Rows) {
  EXPECT_EQ(Format(GetParam().text, kFields, "{{.Tag}}\t{{.ID}}").render(kRows), GetParam().want);
}

INSTANTIATE_TEST_SUITE_P(
    , FormatRenders,
    testing::Values(
        FormatCase{"default_is_the_commands_table", "", "TAG      IMAGE ID\nlatest   12ab\n1        34cd\n"},
        FormatCase{"table_alone_too", "table", "TAG      IMAGE ID\nlatest   12ab\n1        34cd\n"},
        FormatCase{"own_table", "table {{.ID}}\\t{{.Tag}}", "IMAGE ID   TAG\n12ab       latest\n34cd       1\n"},
        FormatCase{"lines_without_heading", "{{.ID}}={{.Tag}}", "12ab=latest\n34cd=1\n"},
        FormatCase{"spaces_in_braces", "{{ .ID }}", "12ab\n34cd\n"},
        FormatCase{"escapes", "{{.ID}}\\t{{.Tag}}\\n", "12ab\tlatest\n\n34cd\t1\n\n"},
        FormatCase{"no_field", "x", "x\nx\n"},
        FormatCase{"json", "json", "{\"ID\":\"12ab\",\"Tag\":\"latest\"}\n{\"ID\":\"34cd\",\"Tag\":\"1\"}\n"}),
    [](const auto& test) { return std::string(test.param.name); });

class FormatRefuses : public testing::TestWithParam<const char*> {};

TEST_P(FormatRefuses, WhatItDoesNotKnow) {
  try {
    Format(GetParam(), kFields, "");
    FAIL() << "accepted";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::invalid);
    EXPECT_THAT(e.what(), testing::HasSubstr("{{.ID}} {{.Tag}}"));
  }
}

INSTANTIATE_TEST_SUITE_P(, FormatRefuses,
                         testing::Values("{{.Nothing}}", "{{if .ID}}x{{end}}", "{{json .}}", "{{.ID", "{{}}",
                                         "{{.ID | upper}}", "table {{range .}}"));

TEST(Format, EscapesUntrustedValuesButKeepsJsonWhole) {
  const std::vector<Row> rows = {{"\x1b[31m\t", "a\nb"}};
  EXPECT_EQ(Format("{{.ID}} {{.Tag}}", kFields, "").render(rows), "\\x1b[31m\\x09 a\\x0ab\n");
  EXPECT_EQ(Format("json", kFields, "").render(rows), "{\"ID\":\"\\u001b[31m\\t\",\"Tag\":\"a\\nb\"}\n");
}

TEST(Format, KnowsWhichFieldsItNames) {
  const Format format("{{.Tag}}", kFields, "");
  EXPECT_TRUE(format.names("Tag"));
  EXPECT_FALSE(format.names("ID"));
}

}  // namespace cairn
