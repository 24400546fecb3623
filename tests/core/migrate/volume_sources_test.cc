#include "core/migrate/volume_sources.h"

#include <gtest/gtest.h>

namespace cairn {
namespace {

std::string mounting(const std::string& point) {
  return R"({ "A":1.50, "MountPoints":{"/v":)" + point +
         R"(,"/b":{"Source":"/old/volumes/x/_data","Name":"","Driver":""}} ,"Z":"<"})";
}

struct Case {
  const char* name;
  std::string point, root, after;
};

class SourcesOfVolumes : public testing::TestWithParam<Case> {};

TEST_P(SourcesOfVolumes, ChangeAsTheRootDoesAndNothingElse) {
  const auto& [name, point, root, after] = GetParam();
  EXPECT_EQ(with_volumes_in(mounting(point), root), mounting(after));
}

const std::string kOld =
    R"({"Type":"volume", "Name":"x","Source":"/old/docker/volumes/x/_data","Driver":"local","RW":true})";

INSTANTIATE_TEST_SUITE_P(
    , SourcesOfVolumes,
    testing::Values(
        Case{"moved", kOld, "/srv/docker",
             R"({"Type":"volume", "Name":"x","Source":"/srv/docker/volumes/x/_data","Driver":"local","RW":true})"},
        Case{"stays", kOld, "/old/docker", kOld}, Case{"on_a_disk_that_goes_there", kOld, "/mnt/disk/old/docker", kOld},
        Case{"of_a_plugin", R"({"Name":"x","Source":"/old/docker/volumes/x/_data","Driver":"nfs"})", "/srv/docker",
             R"({"Name":"x","Source":"/old/docker/volumes/x/_data","Driver":"nfs"})"},
        Case{"elsewhere", R"({"Name":"x","Source":"/data/x","Driver":"local"})", "/srv/docker",
             R"({"Name":"x","Source":"/data/x","Driver":"local"})"},
        Case{"odd_values", R"([1,{"Name":7}])", "/srv/docker", R"([1,{"Name":7}])"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(VolumeSources, ConfigurationsWithoutMountsStay) {
  for (const std::string config : {"{}", R"({"MountPoints":null})", R"({"MountPoints":{}})"})
    EXPECT_EQ(with_volumes_in(config, "/srv/docker"), config);
}

}  // namespace
}  // namespace cairn
