#include "cli/output/template.h"

#include <gtest/gtest.h>

#include "core/util/error.h"

namespace cairn {
namespace {

const Json kDocument = Json::parse(
    R"({"Id":"sha256:1","Config":{"Cmd":["sh","-c"],"Tty":false,"Labels":{"b":"2","a":"1"},"None":null},"Size":12,"Odd":"a\u0007<"})");

struct TemplateCase {
  const char* name;
  std::string text, want;
};
class Templates : public testing::TestWithParam<TemplateCase> {};
TEST_P(Templates, AreFilled) { EXPECT_EQ(DocumentTemplate(GetParam().text).render(kDocument), GetParam().want + "\n"); }
INSTANTIATE_TEST_SUITE_P(
    , Templates,
    testing::Values(TemplateCase{"field", "{{.Id}}", "sha256:1"},
                    TemplateCase{"text_around", "<{{ .Size }}>\\t", "<12>\t"},
                    TemplateCase{"nested", "{{.Config.Cmd}}", "[sh -c]"},
                    TemplateCase{"object", "{{.Config.Labels}}", "map[a:1 b:2]"},
                    TemplateCase{"nothing", "{{.Config.None}}", "<no value>"},
                    TemplateCase{"boolean", "{{.Config.Tty}}", "false"},
                    TemplateCase{"json", "{{json .Config.Cmd}} {{json .Config.None}}", R"(["sh","-c"] null)"},
                    TemplateCase{"all", "json", kDocument.dump()}, TemplateCase{"control_bytes", "{{.Odd}}", "a\\x07<"},
                    TemplateCase{"no_field", "x", "x"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(DocumentTemplates, OthersAreRefusedByName) {
  for (const char* text : {"{{.Id", "{{}}", "{{Id}}", "{{..Id}}", "{{.Id.}}", "{{if .Id}}", "{{index .Config 0}}",
                           "{{json}}", "{{json .A .B}}", "{{.Id | json}}", "{{println .Id}}"}) {
    try {
      DocumentTemplate{text};
      ADD_FAILURE() << text;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::invalid) << e.what();
    }
  }
}

TEST(DocumentTemplates, MissingFieldsAreNamed) {
  for (const char* text : {"{{.None}}", "{{.Id.More}}", "{{.Config.Cmd.0}}", "{{json .Config.None.Deep}}"})
    EXPECT_THROW(DocumentTemplate(text).render(kDocument), Error) << text;
}

}  // namespace
}  // namespace cairn
