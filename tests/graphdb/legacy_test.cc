#include <gmock/gmock.h>
#include <sqlite3.h>
#include <sys/stat.h>

#include <cstdlib>
#include <filesystem>

#include "core/image/v1_config.h"
#include "core/util/error.h"
#include "graphdb/legacy/legacy_graph.h"
#include "tests/graphdb/legacy_builder.h"
#include "tests/support/fixtures.h"

namespace cairn {
namespace {

using test::hex_id;
using test::LegacyRoot;
using test::write_file;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Pair;
using testing::SizeIs;
using testing::UnorderedElementsAre;
namespace fs = std::filesystem;

const std::string kA = hex_id('a'), kB = hex_id('b'), kC = hex_id('c'), kD = hex_id('d');

std::vector<std::string> kinds(const LegacyGraph& graph) {
  std::vector<std::string> out;
  for (const auto& one : graph.damage()) out.push_back(one.kind);
  return out;
}

std::vector<std::string> usable(const LegacyGraph& graph) {
  std::vector<std::string> out;
  for (const auto& image : graph.images())
    if (image.error.empty()) out.push_back(image.id);
  return out;
}

TEST(LegacyGraph, RootWithoutGraphIsAnEmptyGraph) {
  const test::TempDir dir;
  const auto graph = open_legacy(dir.path(), "aufs");
  EXPECT_TRUE(graph->images().empty());
  EXPECT_TRUE(graph->repositories().empty());
  EXPECT_TRUE(graph->containers().empty());
  EXPECT_TRUE(graph->damage().empty());
  EXPECT_THAT(legacy_drivers(dir.path()), IsEmpty());
  EXPECT_THROW(open_legacy(dir / "absent", "aufs"), Error);
}

TEST(LegacyGraph, ReadsImagesNamesAndContainers) {
  LegacyRoot root;
  root.image(kA);
  root.image(kB, kA);
  const std::string checksum = "sha256:" + hex_id('9');
  root.put("graph/" + kB + "/checksum", checksum);
  root.put("graph/" + kA + "/checksum", "tarsum.v1+sha256:" + hex_id('9'));
  root.put("graph/_tmp/" + kD + "/json", "{}");
  root.put("repositories-vfs",
           R"({"Repositories":{"x/y":{"latest":")" + kB + R"(","sha256:)" + kA + R"(":")" + kA + R"("}}})");
  root.container(kC, kB, "/web");
  const auto graph = open_legacy(root.path(), "vfs");
  EXPECT_THAT(graph->damage(), IsEmpty());
  EXPECT_THAT(usable(*graph), ElementsAre(kA, kB));
  EXPECT_EQ(graph->image(kB)->parent, kA);
  EXPECT_EQ(graph->image(kB)->layer_size, 10);
  EXPECT_EQ(graph->image(kB)->checksum->str(), checksum);
  EXPECT_FALSE(graph->image(kA)->checksum);
  EXPECT_EQ(graph->image(kD), nullptr);
  EXPECT_EQ(graph->repositories().at("x/y").at("latest"), kB);
  ASSERT_THAT(graph->containers(), SizeIs(1));
  EXPECT_EQ(graph->containers()[0].name, "/web");
  EXPECT_EQ(graph->containers()[0].image, kB);
  EXPECT_EQ(graph->containers()[0].error, "");
}

TEST(LegacyGraph, StrongIdsTakeTheirParentFromTheParentFile) {
  LegacyRoot root("overlay");
  root.image(kA);
  root.image(kB);
  root.image(kC);
  root.put("graph/" + kB + "/json", R"({"created":"2015-11-02T00:00:00Z","parent_id":"sha256:)" + kA + R"("})");
  root.put("graph/" + kC + "/json",
           R"({"created":"2015-11-02T00:00:00Z","parent_id":"sha256:)" + hex_id('7') + R"("})");
  root.put("graph/" + kC + "/parent", kB);
  const auto graph = open_legacy(root.path(), "overlay");
  EXPECT_THAT(graph->damage(), IsEmpty());
  EXPECT_EQ(graph->image(kB)->parent, kA);
  EXPECT_EQ(graph->image(kC)->parent, kB);
}

// An image that a registry shipped, as 1.8.3 and 1.9 keep it on kB, under its strong id.
struct StrongImage {
  std::string id, json, parent = kB;
  std::string v1 = R"({"created":"2015-11-02T00:00:00Z","docker_version":"1.9.1","id":")" + hex_id('8') +
                   R"(","parent":")" + hex_id('9') + R"(","container_config":{"Cmd":["true"]}})";
  StrongImage() {
    json = strong_config_from_v1(v1, "sha256:" + hex_id('5'), "sha256:" + kB);
    id = Digest::of(json).hex();
  }
  void write(LegacyRoot& root) const {
    root.image(kA);
    root.image(kB);
    root.image(id);
    root.put("graph/" + id + "/json", "");
    root.put("graph/" + id + "/v1Compatibility", v1);
    root.put("graph/" + id + "/checksum", "sha256:" + hex_id('5'));
  }
};

TEST(LegacyGraph, AStrongImagesLostJsonAndItsParentAreFoundByTheHashThatIsItsId) {
  LegacyRoot root("overlay");
  const StrongImage image;
  image.write(root);
  const auto graph = open_legacy(root.path(), "overlay");
  EXPECT_THAT(kinds(*graph), ElementsAre("json-empty"));
  EXPECT_THAT(graph->damage()[0].repair, testing::HasSubstr("v1Compatibility"));
  EXPECT_EQ(graph->image(image.id)->json, image.json);
  EXPECT_EQ(graph->image(image.id)->parent, kB);
  EXPECT_EQ(graph->image(image.id)->error, "");
}

TEST(LegacyGraph, AV1CompatibilityThatNothingProvesRestoresNoJson) {
  const StrongImage image;
  for (const std::string& text : {std::string(), image.v1.substr(0, 90), std::string("[]"),
                                  "{\"id\":\"" + kA + "\",\"created\":\"2015-11-02T00:00:00Z\"}"}) {
    LegacyRoot root("overlay");
    image.write(root);
    root.put("graph/" + image.id + "/v1Compatibility", text);
    EXPECT_NE(open_legacy(root.path(), "overlay")->image(image.id)->error, "") << text;
  }
  LegacyRoot root("overlay");
  image.write(root);
  fs::remove_all(root.image_dir(kB));  // its parent: no hash fits
  EXPECT_NE(open_legacy(root.path(), "overlay")->image(image.id)->error, "");
}

TEST(LegacyGraph, AnImageBuiltHereIsRestoredByTheIdInItsV1Compatibility) {
  LegacyRoot root;
  root.image(kA);
  root.image(kB, kA);
  fs::rename(root.image_dir(kB) / "json", root.image_dir(kB) / "v1Compatibility");
  const auto graph = open_legacy(root.path(), "vfs");
  EXPECT_THAT(kinds(*graph), ElementsAre("json-missing"));
  EXPECT_THAT(usable(*graph), ElementsAre(kA, kB));
  EXPECT_EQ(graph->image(kB)->parent, kA);
}

TEST(LegacyGraph, AParentFileCutOffIsCompletedWhereOneIdBeginsSo) {
  LegacyRoot root;
  const std::string near = kA.substr(0, 40) + std::string(24, '0');
  root.image(kA);
  root.image(kB);
  root.put("graph/" + kB + "/parent", kA.substr(0, 50));
  EXPECT_THAT(kinds(*open_legacy(root.path(), "vfs")), ElementsAre("parent-cut"));
  EXPECT_EQ(open_legacy(root.path(), "vfs")->image(kB)->parent, kA);
  root.put("graph/" + kB + "/parent", kA.substr(0, 15));
  EXPECT_NE(open_legacy(root.path(), "vfs")->image(kB)->error, "");
  root.image(near);
  root.put("graph/" + kB + "/parent", kA.substr(0, 30));
  EXPECT_NE(open_legacy(root.path(), "vfs")->image(kB)->error, "");
}

struct ImageDamage {
  const char* name;
  void (*harm)(LegacyRoot& root);  // root: a <- b <- c, and d alone
  std::vector<std::string> kinds, usable;
};
class LegacyImageDamage : public testing::TestWithParam<ImageDamage> {};

TEST_P(LegacyImageDamage, IsNamedAndStopsOnlyWhatNeedsIt) {
  LegacyRoot root;
  root.image(kA);
  root.image(kB, kA);
  root.image(kC, kB);
  root.image(kD);
  GetParam().harm(root);
  const auto graph = open_legacy(root.path(), "vfs");
  EXPECT_THAT(kinds(*graph), testing::UnorderedElementsAreArray(GetParam().kinds));
  EXPECT_THAT(usable(*graph), testing::ElementsAreArray(GetParam().usable));
}

const std::vector<std::string> kAllUsable = {kA, kB, kC, kD}, kOthersUsable = {kA, kD};
INSTANTIATE_TEST_SUITE_P(
    , LegacyImageDamage,
    testing::Values(
        ImageDamage{"json_missing",
                    [](LegacyRoot& r) { fs::remove(r.image_dir(kB) / "json"); },
                    {"json-missing", "ancestor-damaged"},
                    kOthersUsable},
        ImageDamage{"json_empty",
                    [](LegacyRoot& r) { r.put("graph/" + kB + "/json", ""); },
                    {"json-empty", "ancestor-damaged"},
                    kOthersUsable},
        ImageDamage{"json_zero_bytes",
                    [](LegacyRoot& r) { r.put("graph/" + kB + "/json", std::string(4096, '\0')); },
                    {"json-invalid", "ancestor-damaged"},
                    kOthersUsable},
        ImageDamage{"json_cut",
                    [](LegacyRoot& r) { r.put("graph/" + kB + "/json", "{\"id\":\"" + kB); },
                    {"json-invalid", "ancestor-damaged"},
                    kOthersUsable},
        ImageDamage{"json_no_object",
                    [](LegacyRoot& r) { r.put("graph/" + kB + "/json", "[1]"); },
                    {"json-invalid", "ancestor-damaged"},
                    kOthersUsable},
        ImageDamage{"json_deep",
                    [](LegacyRoot& r) { r.put("graph/" + kB + "/json", "{\"x\":" + std::string(1000000, '[')); },
                    {"json-invalid", "ancestor-damaged"},
                    kOthersUsable},
        ImageDamage{"json_huge",
                    [](LegacyRoot& r) { r.put("graph/" + kB + "/json", std::string(5u << 20, ' ') + "{}"); },
                    {"json-invalid", "ancestor-damaged"},
                    kOthersUsable},
        ImageDamage{"json_is_a_pipe",
                    [](LegacyRoot& r) {
                      fs::remove(r.image_dir(kB) / "json");
                      ASSERT_EQ(::mkfifo((r.image_dir(kB) / "json").c_str(), 0600), 0);
                    },
                    {"json-invalid", "ancestor-damaged"},
                    kOthersUsable},
        ImageDamage{"id_differs",
                    [](LegacyRoot& r) { r.put("graph/" + kD + "/json", "{\"id\":\"" + kA + "\"}"); },
                    {"id-mismatch"},
                    kAllUsable},
        ImageDamage{"parent_gone",
                    [](LegacyRoot& r) { fs::remove_all(r.image_dir(kA)); },
                    {"parent-missing", "ancestor-damaged"},
                    {kD}},
        ImageDamage{"parent_is_a_path",
                    [](LegacyRoot& r) { r.put("graph/" + kB + "/parent", "../../etc"); },
                    {"parent-invalid", "ancestor-damaged"},
                    kOthersUsable},
        ImageDamage{"cycle",
                    [](LegacyRoot& r) { r.put("graph/" + kA + "/parent", kB); },
                    {"parent-cycle", "parent-cycle", "ancestor-damaged"},
                    {kD}},
        ImageDamage{"own_parent",
                    [](LegacyRoot& r) { r.put("graph/" + kA + "/parent", kA); },
                    {"parent-cycle", "ancestor-damaged", "ancestor-damaged"},
                    {kD}},
        ImageDamage{"layer_gone",
                    [](LegacyRoot& r) { fs::remove_all(r.path() / "vfs/dir" / kB); },
                    {"layer-missing", "ancestor-damaged"},
                    kOthersUsable},
        ImageDamage{"layer_size_negative",
                    [](LegacyRoot& r) { r.put("graph/" + kB + "/layersize", "-2147483648"); },
                    {"layersize-invalid"},
                    kAllUsable},
        ImageDamage{"layer_size_empty",
                    [](LegacyRoot& r) { r.put("graph/" + kB + "/layersize", ""); },
                    {"layersize-invalid"},
                    kAllUsable},
        ImageDamage{"tar_data_empty",
                    [](LegacyRoot& r) { r.put("graph/" + kB + "/tar-data.json.gz", ""); },
                    {"tar-data-empty"},
                    kAllUsable},
        ImageDamage{"tar_data_no_gzip",
                    [](LegacyRoot& r) { r.put("graph/" + kB + "/tar-data.json.gz", std::string(99, 'x')); },
                    {"tar-data-truncated"},
                    kAllUsable},
        ImageDamage{"short_id",
                    [](LegacyRoot& r) { r.put("graph/0123456789abcdef/json", "{}"); },
                    {"id-unsupported"},
                    kAllUsable}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(LegacyGraph, LongChainsCostNoStackAndTellTheirCauseOnce) {
  LegacyRoot root("zfs");
  constexpr int count = 1000;
  char id[65], parent[65] = "";
  for (int i = 0; i < count; ++i) {
    std::snprintf(id, sizeof id, "%064x", count - i);
    root.put("graph/" + std::string(id) + "/json", R"({"parent":")" + std::string(parent) + "\"}");
    std::copy(std::begin(id), std::end(id), std::begin(parent));
  }
  EXPECT_THAT(usable(*open_legacy(root.path(), "zfs")), SizeIs(count));
  std::snprintf(id, sizeof id, "%064x", count);
  root.put("graph/" + std::string(id) + "/json", "");
  const auto graph = open_legacy(root.path(), "zfs");
  EXPECT_THAT(usable(*graph), IsEmpty());
  EXPECT_THAT(graph->images()[0].error, HasSubstr(id));
  EXPECT_LT(graph->images()[0].error.size(), 200u);
}

TEST(LegacyGraph, TarSplitIsGivenInflatedAndAsItIs) {
  LegacyRoot root;
  root.image(kA);
  root.put("graph/" + kA + "/tar-data.json.gz", "{}\n");
  ASSERT_EQ(
      std::system(("cd " + root.image_dir(kA).string() + " && mv tar-data.json.gz t && gzip -cn < t > tar-data.json.gz")
                      .c_str()),
      0);
  const auto graph = open_legacy(root.path(), "vfs");
  EXPECT_TRUE(graph->image(kA)->has_tar_split);
  EXPECT_EQ(read_all(*graph->open_tar_split(kA), 100), "{}\n");
  EXPECT_EQ(read_all(*graph->open_raw_tar_split(kA), 100).substr(0, 2), "\x1f\x8b");
  EXPECT_THROW(graph->open_tar_split(kB), Error);
  EXPECT_THROW(graph->open_tar_split("../" + kA), Error);
}

TEST(LegacyGraph, ImagesOfAnotherDriverOfTheRootAreLeftOut) {
  LegacyRoot root("overlay");
  root.image(kA);
  root.put("graph/" + kB + "/json", "{\"id\":\"" + kB + "\"}");
  fs::create_directories(root.path() / "aufs/diff" / kB);
  EXPECT_THAT(usable(*open_legacy(root.path(), "overlay")), ElementsAre(kA));
  EXPECT_THAT(usable(*open_legacy(root.path(), "aufs")), ElementsAre(kB));
  EXPECT_THAT(open_legacy(root.path(), "aufs")->damage(), IsEmpty());
  EXPECT_THAT(legacy_drivers(root.path()), ElementsAre("aufs", "overlay"));
}

TEST(LegacyGraph, AufsLayersMayBeLinksAndNamesMayBeInTheOldFile) {
  LegacyRoot root("aufs");
  root.image(kA);
  fs::remove(root.path() / "aufs/diff" / kA);
  fs::create_directories(root.image_dir(kA) / "layer");
  fs::create_symlink("/var/lib/docker/graph/" + kA + "/layer", root.path() / "aufs/diff" / kA);
  root.put("repositories", R"({"Repositories":{"base":{"latest":")" + kA + R"("}}})");
  const auto graph = open_legacy(root.path(), "aufs");
  EXPECT_THAT(usable(*graph), ElementsAre(kA));
  EXPECT_EQ(graph->repositories().at("base").at("latest"), kA);
}

TEST(LegacyGraph, LinksInALayersPlaceAreNoLayers) {
  LegacyRoot vfs, overlay("overlay"), aufs("aufs");
  for (auto* root : {&vfs, &overlay, &aufs}) root->image(kA);
  fs::remove(vfs.path() / "vfs/dir" / kA);
  fs::create_symlink("/etc", vfs.path() / "vfs/dir" / kA);
  fs::remove(overlay.path() / "overlay" / kA / "root");
  fs::create_symlink("/etc", overlay.path() / "overlay" / kA / "root");
  fs::remove(aufs.path() / "aufs/diff" / kA);
  fs::create_symlink("/etc/graph/" + kA + "/layer", aufs.path() / "aufs/diff" / kA);
  EXPECT_THAT(kinds(*open_legacy(vfs.path(), "vfs")), ElementsAre("layer-missing"));
  EXPECT_THAT(kinds(*open_legacy(overlay.path(), "overlay")), ElementsAre("layer-missing"));
  EXPECT_THAT(kinds(*open_legacy(aufs.path(), "aufs")), ElementsAre("layer-missing"));
}

TEST(LegacyDrivers, LayersTakenOverByALaterEngineMakeNoLegacyDriver) {
  LegacyRoot root;
  root.image(kA);
  root.put("repositories-vfs", "{}");
  fs::create_directories(root.path() / "overlay" / kA / "root");
  fs::create_directories(root.path() / "image/overlay/layerdb");
  EXPECT_THAT(legacy_drivers(root.path()), ElementsAre("vfs"));
}

TEST(LegacyGraph, OldDevicemapperNamesItsDevicesInOneFile) {
  LegacyRoot root("devicemapper");
  root.image(kA);
  root.image(kB);
  root.image(kC);
  root.put("devicemapper/devicemapper/json", "{\"Devices\":{\"" + kA + "\":{\"device_id\":1},\"\":{}}}");
  root.put("devicemapper/metadata/" + kB, "{\"device_id\":2}");
  const auto graph = open_legacy(root.path(), "devicemapper");
  EXPECT_THAT(usable(*graph), ElementsAre(kA, kB));
  EXPECT_THAT(kinds(*graph), ElementsAre("layer-missing"));
}

TEST(LegacyDrivers, VolumesMakeNoVfs) {
  LegacyRoot root("overlay");
  root.image(kA);
  root.put("volumes/" + kB + "/config.json", "{}");
  fs::create_directories(root.path() / "vfs/dir" / kB);
  fs::create_directories(root.path() / "vfs/dir" / kC);  // a volume nobody remembers
  EXPECT_THAT(legacy_drivers(root.path()), ElementsAre("overlay"));
  fs::create_directories(root.path() / "vfs/dir" / kA);
  EXPECT_THAT(legacy_drivers(root.path()), ElementsAre("overlay", "vfs"));
}

TEST(LegacyDrivers, RepositoriesFileAloneNamesADriver) {
  LegacyRoot root;
  root.put("repositories-zfs", "{}");
  root.put("repositories-", "{}");
  root.put("repositories-a b", "{}");
  EXPECT_THAT(legacy_drivers(root.path()), ElementsAre("zfs"));
}

TEST(LegacyRepositories, DamageIsNamedAndTheRestKept) {
  LegacyRoot root;
  root.image(kA);
  root.put("repositories-vfs",
           R"({"Repositories":{"a":{"1":")" + kA + R"(","2":")" + kB + R"(","3":"../x"},"empty":{}}})");
  const auto graph = open_legacy(root.path(), "vfs");
  EXPECT_THAT(kinds(*graph), UnorderedElementsAre("reference-dangling", "reference-invalid"));
  EXPECT_THAT(graph->repositories().at("a"), SizeIs(2));
  root.put("repositories-vfs", "");
  EXPECT_THAT(kinds(*open_legacy(root.path(), "vfs")), ElementsAre("repositories-empty"));
  root.put("repositories-vfs", R"({"Repositories":{"a":{"0":")" + kA + R"(","1":")" + kA);
  EXPECT_THAT(kinds(*open_legacy(root.path(), "vfs")), ElementsAre("repositories-invalid"));
  EXPECT_THAT(open_legacy(root.path(), "vfs")->repositories().at("a"), ElementsAre(Pair("0", kA)));
  EXPECT_THAT(usable(*open_legacy(root.path(), "vfs")), ElementsAre(kA));
}

struct ContainerDamage {
  const char* name;
  void (*harm)(LegacyRoot& root);
  std::vector<std::string> kinds;
  const char* error;  // part of it; "" means usable, nullptr not listed
};
class LegacyContainerDamage : public testing::TestWithParam<ContainerDamage> {};

TEST_P(LegacyContainerDamage, IsNamed) {
  LegacyRoot root;
  root.image(kA);
  root.container(kC, kA, "/web");
  GetParam().harm(root);
  const auto graph = open_legacy(root.path(), "vfs");
  EXPECT_THAT(kinds(*graph), testing::UnorderedElementsAreArray(GetParam().kinds));
  ASSERT_THAT(graph->containers(), SizeIs(GetParam().error == nullptr ? 0 : 1));
  if (GetParam().error == nullptr) return;
  const std::string error = graph->containers()[0].error;
  EXPECT_THAT(error, HasSubstr(GetParam().error));
  EXPECT_EQ(error.empty(), std::string(GetParam().error).empty());
}
INSTANTIATE_TEST_SUITE_P(
    , LegacyContainerDamage,
    testing::Values(ContainerDamage{"config_cut",
                                    [](LegacyRoot& r) { r.put("containers/" + kC + "/config.json", "{"); },
                                    {"container-json-invalid"},
                                    "reading JSON"},
                    ContainerDamage{"config_gone",
                                    [](LegacyRoot& r) { fs::remove(r.path() / "containers" / kC / "config.json"); },
                                    {"container-json-missing"},
                                    nullptr},
                    ContainerDamage{"already_migrated",
                                    [](LegacyRoot& r) {
                                      fs::remove(r.path() / "containers" / kC / "config.json");
                                      r.put("containers/" + kC + "/config.v2.json", "{}");
                                    },
                                    {},
                                    nullptr},
                    ContainerDamage{"lower_case_id_key",
                                    [](LegacyRoot& r) {
                                      r.put("containers/" + kC + "/config.json",
                                            R"({"Id":")" + kC + R"(","Image":")" + kA + R"(","Driver":"vfs"})");
                                    },
                                    {},
                                    ""},
                    ContainerDamage{"other_id",
                                    [](LegacyRoot& r) { r.put("containers/" + kC + "/config.json", R"({"ID":"x"})"); },
                                    {"container-id-mismatch"},
                                    "says ID 'x'"},
                    ContainerDamage{"image_gone",
                                    [](LegacyRoot& r) { fs::remove_all(r.image_dir(kA)); },
                                    {"container-image-missing"},
                                    "is not there"},
                    ContainerDamage{"image_damaged",
                                    [](LegacyRoot& r) { r.put("graph/" + kA + "/json", ""); },
                                    {"json-empty", "container-image-missing"},
                                    "cannot be used"},
                    ContainerDamage{"layer_gone",
                                    [](LegacyRoot& r) { fs::remove_all(r.path() / "vfs/dir" / kC); },
                                    {"container-layer-missing"},
                                    "no layer"},
                    ContainerDamage{"no_driver_means_aufs",
                                    [](LegacyRoot& r) {
                                      r.put("containers/" + kC + "/config.json",
                                            R"({"ID":")" + kC + R"(","Image":")" + kA + R"("})");
                                    },
                                    {},
                                    "driver 'aufs'"},
                    ContainerDamage{"host_config_cut",
                                    [](LegacyRoot& r) { r.put("containers/" + kC + "/hostconfig.json", "{"); },
                                    {"container-hostconfig-invalid"},
                                    ""}),
    [](const auto& test) { return std::string(test.param.name); });

void write_link_graph(const fs::path& file, const std::string& rows) {
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(file.c_str(), &database), SQLITE_OK);
  const std::string sql =
      "CREATE TABLE entity(id text NOT NULL PRIMARY KEY);"
      "CREATE TABLE edge(\"entity_id\" text NOT NULL, \"parent_id\" text NULL, \"name\" text NOT NULL);"
      "CREATE UNIQUE INDEX \"name_parent_ix\" ON \"edge\" (parent_id, name);"
      "INSERT INTO edge VALUES('0', NULL, '/');" +
      rows;
  ASSERT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK) << sqlite3_errmsg(database);
  sqlite3_close(database);
}

std::string edge(const std::string& entity, const std::string& parent, const std::string& name) {
  return "INSERT INTO edge VALUES('" + entity + "','" + parent + "','" + name + "');";
}

TEST(LegacyLinks, NamesAndLinksComeFromTheDatabase) {
  LegacyRoot root;
  root.image(kA);
  root.container(kB, kA, "");
  root.container(kC, kA, "/web");
  root.container(kD, kA, "/other");
  root.put("containers/" + kD + "/hostconfig.json", R"({"Links":[]})");
  write_link_graph(root.path() / "linkgraph.db", edge(kB, "0", "db") + edge(kC, "0", "web") + edge(kD, "0", "other") +
                                                     edge(kB, kC, "mysql") + edge(hex_id('e'), kC, "gone") +
                                                     edge(kB, kD, "not-asked-for"));
  const auto graph = open_legacy(root.path(), "vfs");
  ASSERT_THAT(graph->containers(), SizeIs(3));
  EXPECT_EQ(graph->containers()[0].name, "/db");
  EXPECT_THAT(graph->containers()[1].links, ElementsAre("/db:mysql"));
  EXPECT_THAT(graph->containers()[2].links, IsEmpty());
  EXPECT_THAT(kinds(*graph), ElementsAre("link-dangling"));
  EXPECT_FALSE(fs::exists(root.path() / "linkgraph.db-journal"));
}

TEST(LegacyLinks, HostileDatabasesAreDamage) {
  for (const std::string& content : {std::string(), std::string("no database"), std::string(8192, '\0'),
                                     std::string("SQLite format 3\0", 16) + std::string(4096, '\xff')}) {
    LegacyRoot root;
    root.image(kA);
    root.container(kC, kA, "/web");
    root.put("linkgraph.db", content);
    const auto graph = open_legacy(root.path(), "vfs");
    EXPECT_THAT(kinds(*graph), ElementsAre("linkgraph-invalid"));
    EXPECT_EQ(graph->containers()[0].name, "/web");
  }
}

TEST(LegacyLinks, ViewInTheTablesPlaceIsRefused) {
  LegacyRoot root;
  root.image(kA);
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open((root.path() / "linkgraph.db").c_str(), &database), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(database,
                         "CREATE VIEW edge AS WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c) "
                         "SELECT x AS entity_id, 0 AS parent_id, 'n' AS name FROM c",
                         nullptr, nullptr, nullptr),
            SQLITE_OK);
  sqlite3_close(database);
  EXPECT_THAT(kinds(*open_legacy(root.path(), "vfs")), ElementsAre("linkgraph-invalid"));
}

struct RealTree {
  const char* name;
  const char* driver;
};
class LegacyTree : public testing::TestWithParam<RealTree> {};

TEST_P(LegacyTree, IsReadWithoutDamage) {
  const test::TempDir dir;
  const auto root = test::unpack_fixture(std::string("tiny-1.9.1-") + GetParam().driver + "-before", dir.path());
  EXPECT_THAT(legacy_drivers(root), ElementsAre(GetParam().driver));
  const auto graph = open_legacy(root, GetParam().driver);
  for (const auto& one : graph->damage()) ADD_FAILURE() << one.kind << " " << one.object << ": " << one.detail;
  EXPECT_THAT(graph->images(), SizeIs(12));
  ASSERT_THAT(graph->containers(), SizeIs(2));
  for (const auto& image : graph->images()) {
    EXPECT_TRUE(image.has_tar_split);
    EXPECT_TRUE(image.layer_size);
    EXPECT_THAT(read_all(*graph->open_tar_split(image.id), 1 << 20), HasSubstr("\"type\":"));
  }
  std::vector<std::string> names;
  for (const auto& container : graph->containers()) names.push_back(container.name);
  EXPECT_THAT(names, UnorderedElementsAre("/web", "/idle"));
}
INSTANTIATE_TEST_SUITE_P(, LegacyTree, testing::Values(RealTree{"vfs", "vfs"}, RealTree{"overlay", "overlay"}),
                         [](const auto& test) { return std::string(test.param.name); });

}  // namespace
}  // namespace cairn
