#include "cli/inspect_fields.h"

#include <gtest/gtest.h>

#include "core/util/error.h"

namespace cairn {
namespace {

// What docker 20.10 prints of the same.
struct FieldCase {
  const char *name, *config, *text, *want;
};
class InspectFields : public testing::TestWithParam<FieldCase> {};
TEST_P(InspectFields, ArePrintedAsDockerDoes) {
  const Json document{{"Id", "sha256:1"}, {"Config", Json::parse(GetParam().config)}, {"RootFS", {{"Type", "layers"}}}};
  EXPECT_EQ(DocumentTemplate(GetParam().text).render(template_data(document, Inspected::image)),
            std::string(GetParam().want) + "\n");
}
INSTANTIATE_TEST_SUITE_P(
    , InspectFields,
    testing::Values(
        FieldCase{"no_set", "{}", "{{.Config.ExposedPorts}} {{json .Config.ExposedPorts}}", "map[] null"},
        FieldCase{"null_map", R"({"Labels":null})", "{{.Config.Labels}} {{json .Config.Labels}}", "map[] null"},
        FieldCase{"null_list", R"({"Entrypoint":null})", "{{.Config.Entrypoint}}", "[]"},
        FieldCase{"no_pointer", "{}", "{{.Config.Healthcheck}} {{.Config.StopTimeout}}", "<nil> <nil>"},
        FieldCase{"no_text_flag_or_list", "{}", "<{{.Config.StopSignal}}> {{.Config.Tty}} {{json .Config.Shell}}",
                  "<> false null"},
        FieldCase{"no_config", "null", "{{.Config.Env}} {{json .Config.Env}} {{json .Config}}", "[] null null"},
        FieldCase{"set", R"({"Volumes":{"/b":{},"/a":{}}})", "{{.Config.Volumes}} {{json .Config.Volumes}}",
                  R"(map[/a:{} /b:{}] {"/b":{},"/a":{}})"},
        FieldCase{"pointer", R"({"StopTimeout":7})", "{{.Config.StopTimeout}}", "7"},
        FieldCase{"structure", R"({"Healthcheck":{"Test":["CMD","x"],"Interval":90000000000,"Timeout":1500000000}})",
                  "{{.Config.Healthcheck}}", "{[CMD x] 1m30s 1.5s 0s 0}"},
        FieldCase{"durations", R"({"Healthcheck":{"Interval":3600000000000,"Timeout":100000000,"StartPeriod":1500}})",
                  "{{.Config.Healthcheck.Interval}} {{.Config.Healthcheck.Timeout}} "
                  "{{.Config.Healthcheck.StartPeriod}} {{json .Config.Healthcheck.Interval}}",
                  "1h0m0s 100ms 1.5\u00b5s 3600000000000"},
        FieldCase{"id", "{}", "{{.ID}} {{json .ID}}", "sha256:1 \"sha256:1\""},
        FieldCase{"top_level", "{}", "<{{.Variant}}> {{.RepoTags}} {{.RootFS}}", "<> [] {layers [] }"},
        FieldCase{"from_the_answer", R"({"Labels":null,"Volumes":{"/a":{}}})",
                  "{{.Id}} {{.Config.Labels}} {{.Config.Volumes}}", "sha256:1 <no value> map[/a:map[]]"},
        FieldCase{"of_wrong_kind", R"({"Labels":5,"Volumes":"x","Healthcheck":[1]})",
                  "{{.Config.Labels}} {{.Config.Volumes}} {{.Config.Healthcheck}}", "5 x [1]"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(InspectFieldsMissing, AreNamed) {
  const auto data = template_data({{"Id", "1"}, {"Config", Json::object()}}, Inspected::image);
  for (const char* text : {"{{.Nothing}}", "{{.Config.Nothing}}", "{{.Config.Healthcheck.Test}}", "{{json .Nothing}}",
                           "{{json .Config.Healthcheck.Test}}"})
    EXPECT_THROW(DocumentTemplate(text).render(data), Error) << text;
}

TEST(InspectFieldsOfContainers, AreThoseOfTheirConfigurationToo) {
  const auto data =
      template_data({{"Id", "1"}, {"Path", "/x"}, {"Config", {{"Labels", nullptr}}}}, Inspected::container);
  EXPECT_EQ(DocumentTemplate("{{.ID}} {{.Path}} {{.Config.Labels}}").render(data), "1 /x map[]\n");
  EXPECT_THROW(DocumentTemplate("{{.RepoTags}}").render(data), Error);
}

}  // namespace
}  // namespace cairn
