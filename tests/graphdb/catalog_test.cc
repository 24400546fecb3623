#include "graphdb/catalog/catalog.h"

#include <gmock/gmock.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <set>

#include "core/util/error.h"
#include "graphdb/catalog/names.h"
#include "tests/graphdb/content_builder.h"
#include "tests/graphdb/legacy_builder.h"
#include "tests/support/fixtures.h"

namespace cairn {
namespace {

using test::ContentRoot;
using test::hex_id;
using test::LegacyRoot;
using test::write_file;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;
namespace fs = std::filesystem;

std::vector<std::string> kinds(const std::vector<Damage>& damage) {
  std::vector<std::string> out;
  for (const auto& one : damage) out.push_back(one.kind);
  return out;
}

const CatalogImage* find(const std::vector<CatalogImage>& images, const std::string& id) {
  for (const auto& image : images)
    if (image.id == id) return &image;
  return nullptr;
}

constexpr const char* kHistory =
    R"({"created":"2024-01-01T00:00:00Z","created_by":"ADD x"},{"created_by":"ENV y","empty_layer":true},)"
    R"({"created_by":"RUN z","comment":"c","author":"a"})";

class ContentCatalogTest : public testing::Test {
 protected:
  std::vector<CatalogImage> images() { return open_catalog(root_.path(), "overlay2")->images(&damage_); }
  std::vector<CatalogContainer> containers() { return open_catalog(root_.path(), "overlay2")->containers(&damage_); }

  ContentRoot root_;
  const LayerRecord base_ = root_.layer("base", std::nullopt, 100), top_ = root_.layer("top", base_.chain, 7);
  const ImageId app_ = root_.image_of({base_.diff, top_.diff}, kHistory);
  std::vector<Damage> damage_;
};

TEST_F(ContentCatalogTest, ImagesCarryNamesSizesAndLayers) {
  const ImageId below = root_.image_of({base_.diff}), scratch = root_.image_of({});
  root_.store().images().set_parent(app_, below);
  const std::string digest = "app@" + Digest::of("m").str();
  root_.store().references().update({{"app:latest", app_}, {"app:1", app_}, {digest, app_}}, {});
  const auto found = images();
  EXPECT_THAT(damage_, IsEmpty());
  ASSERT_THAT(found, SizeIs(3));
  const CatalogImage* app = find(found, app_.str());
  ASSERT_NE(app, nullptr);
  EXPECT_THAT(app->tags, ElementsAre("app:1", "app:latest"));
  EXPECT_THAT(app->digests, ElementsAre(digest));
  EXPECT_EQ(app->size, 107);
  EXPECT_EQ(app->created, "2024-01-02T03:04:05Z");
  EXPECT_EQ(app->parent, below.str());
  EXPECT_EQ(app->top, LayerId("top"));
  EXPECT_EQ(app->chain, top_.chain);
  EXPECT_FALSE(app->has_children);
  EXPECT_TRUE(find(found, below.str())->has_children);
  EXPECT_FALSE(find(found, scratch.str())->top);
  EXPECT_EQ(find(found, scratch.str())->size, 0);
}

TEST_F(ContentCatalogTest, HistoryIsNewestFirstWithTheSizesOfItsLayers) {
  const auto history = open_catalog(root_.path(), "overlay2")->history(app_.str());
  ASSERT_THAT(history, SizeIs(3));
  EXPECT_EQ(history[0].created_by, "RUN z");
  EXPECT_EQ(history[0].size, 7);
  EXPECT_EQ(history[0].comment, "c");
  EXPECT_EQ(history[0].author, "a");
  EXPECT_TRUE(history[1].empty_layer);
  EXPECT_EQ(history[1].size, 0);
  EXPECT_EQ(history[2].size, 100);
  EXPECT_EQ(history[2].created, "2024-01-01T00:00:00Z");
}

TEST_F(ContentCatalogTest, UnknownIdsAreNotFound) {
  const auto catalog = open_catalog(root_.path(), "overlay2");
  for (const std::string& id : {Digest::of("x").str(), std::string("../x"), std::string()}) {
    EXPECT_THROW(catalog->image_config(id), Error);
    EXPECT_THROW(catalog->history(id), Error);
  }
  EXPECT_THROW(catalog->container_config("nobody"), Error);
  EXPECT_EQ(catalog->container_host_config("nobody"), std::nullopt);
}

TEST_F(ContentCatalogTest, DamagedImagesAreNamedAndTheOthersShown) {
  const ImageId good = root_.image_of({base_.diff});
  root_.store().images().put("{}");
  root_.store().images().put("foobar");
  root_.store().images().put(R"({"rootfs":{"diff_ids":["sha256:xyz"]}})");
  root_.image_of({base_.diff}, "{},{}");
  const ImageId lost_layer = root_.image_of({DiffId(Digest::of("lost"))});
  write_file(root_.image("imagedb/content/sha256/" + app_.hex()), "changed");
  root_.store().references().update({{"good:1", good}, {"gone:1", lost_layer}}, {});
  const auto found = images();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].id, good.str());
  EXPECT_THAT(kinds(damage_),
              UnorderedElementsAre("image-hash-mismatch", "image-config-invalid", "image-config-invalid",
                                   "image-config-invalid", "image-config-invalid", "image-layer-missing",
                                   "reference-dangling"));
}

TEST_F(ContentCatalogTest, DamagedLayerHidesTheImagesOnIt) {
  const ImageId below = root_.image_of({base_.diff});
  write_file(root_.layer_dir(top_.chain) / "cache-id", "");
  const auto found = images();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].id, below.str());
  EXPECT_THAT(kinds(damage_), UnorderedElementsAre("layer-file-empty", "image-layer-missing"));
}

TEST_F(ContentCatalogTest, UnreadableNamesAreDamageOrAnErrorNeverNothing) {
  root_.put("image/overlay2/repositories.json", "");
  EXPECT_THAT(images(), SizeIs(1));
  EXPECT_THAT(kinds(damage_), ElementsAre("repositories-invalid"));
  EXPECT_THROW(open_catalog(root_.path(), "overlay2")->images(), Error);
  EXPECT_THROW(open_catalog(root_.path(), "overlay2")->containers(), Error);
}

TEST_F(ContentCatalogTest, HugeSizesDoNotOverflow) {
  const auto huge = root_.layer("huge", top_.chain, INT64_MAX);
  const ImageId image = root_.image_of({base_.diff, top_.diff, huge.diff});
  EXPECT_EQ(find(images(), image.str())->size, INT64_MAX);
}

TEST_F(ContentCatalogTest, ContainersAreShownAsPsShowsThem) {
  root_.store().references().update({{"app:latest", app_}}, {});
  root_.container(hex_id('c'), app_, top_.chain,
                  R"(,"State":{"Running":false,"ExitCode":3,"StartedAt":"2024-01-02T03:04:06Z"})");
  const auto found = containers();
  EXPECT_THAT(damage_, IsEmpty());
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].id, hex_id('c'));
  EXPECT_EQ(found[0].name, "web");
  EXPECT_EQ(found[0].image, app_.str());
  EXPECT_EQ(found[0].image_name, "app");
  EXPECT_EQ(found[0].command, "sh -c 'echo hi'");
  EXPECT_EQ(found[0].status, "Exited (3)");
  EXPECT_FALSE(found[0].running);
  EXPECT_EQ(found[0].layer, LayerId("rw-" + hex_id('c')));
  EXPECT_EQ(found[0].init, LayerId("rw-" + hex_id('c') + "-init"));
  EXPECT_EQ(found[0].image_layer, LayerId("top"));
  EXPECT_EQ(open_catalog(root_.path(), "overlay2")->container_config(hex_id('c')).substr(0, 5), "{\"ID\"");
}

TEST_F(ContentCatalogTest, StatesAreWordedAsTheEngineDoes) {
  const std::map<std::string, std::string> cases = {
      {R"({"Running":true})", "Up"},
      {R"({"Running":true,"Paused":true})", "Up (Paused)"},
      {R"({"Dead":true})", "Dead"},
      {R"({"StartedAt":"0001-01-01T00:00:00Z"})", "Created"},
      {R"({"StartedAt":"2024-01-01T00:00:00Z","ExitCode":137})", "Exited (137)"},
      {R"([])", "Created"}};
  char digit = '0';
  for (const auto& [state, status] : cases) {
    root_.container(hex_id(digit), app_, top_.chain, ",\"State\":" + state);
    EXPECT_EQ(containers().back().status, status) << state;
    ++digit;
  }
}

TEST_F(ContentCatalogTest, WritableLayersWithoutContainerAreShownByTheirLayer) {
  root_.store().references().update({{"app:2", app_}}, {});
  root_.store().layers().add_mount({"mine", LayerId(hex_id('1')), std::nullopt, top_.chain});
  root_.store().layers().add_mount({hex_id('2'), LayerId(hex_id('2')), std::nullopt, std::nullopt});
  const auto found = containers();
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[1].id, hex_id('1'));
  EXPECT_EQ(found[1].name, "mine");
  EXPECT_EQ(found[1].image, app_.str());
  EXPECT_EQ(found[1].image_name, "app:2");
  EXPECT_EQ(found[0].id, hex_id('2'));
  EXPECT_EQ(found[0].name, "");
  EXPECT_EQ(found[0].image, "");
}

TEST_F(ContentCatalogTest, WritableLayersAreOfTheImageThatIsNotedWhoeverElseHasItsLayers) {
  const ImageId other = root_.image_of({base_.diff, top_.diff}), gone(Digest::of("gone"));
  for (const auto& [name, image] : std::map<std::string, ImageId>{{"a", app_}, {"b", other}, {"c", gone}})
    root_.store().layers().add_mount({name, LayerId(hex_id(name[0])), std::nullopt, top_.chain, image});
  const auto found = containers();
  ASSERT_THAT(found, SizeIs(3));
  EXPECT_EQ(found[0].image, app_.str());
  EXPECT_EQ(found[1].image, other.str());
  EXPECT_EQ(found[2].image, gone.str());
  for (const auto& one : found) EXPECT_THAT(one.may_be_of, IsEmpty());
}

TEST_F(ContentCatalogTest, WhereSeveralImagesHaveItsLayersAWritableLayerMayBeOfAnyOfThem) {
  const ImageId other = root_.image_of({base_.diff, top_.diff});
  root_.store().layers().add_mount({"mine", LayerId(hex_id('1')), std::nullopt, top_.chain});
  const auto found = containers();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].image, "");
  EXPECT_EQ(found[0].image_name, "");
  EXPECT_THAT(found[0].may_be_of, UnorderedElementsAre(app_.str(), other.str()));
}

TEST_F(ContentCatalogTest, ContainersOfOthersAreNotShownAndDamagedOnesAreNamed) {
  root_.container(hex_id('a'), app_, top_.chain);
  root_.put("containers/" + hex_id('b') + "/config.json", "{}");  // of 1.9
  root_.put("containers/" + hex_id('c') + "/config.v2.json", R"({"Driver":"aufs"})");
  root_.put("containers/" + hex_id('d') + "/config.v2.json", "{");
  root_.put("containers/" + hex_id('e') + "/config.v2.json", R"({"ID":"x","Driver":"overlay2"})");
  root_.container(hex_id('f'), app_, top_.chain);
  root_.store().layers().remove_mount(hex_id('f'));
  root_.put("image/overlay2/layerdb/mounts/broken/init-id", "x");
  const auto found = containers();
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].id, hex_id('a'));
  EXPECT_EQ(found[1].id, hex_id('f'));
  EXPECT_FALSE(found[1].layer);
  EXPECT_THAT(kinds(damage_), UnorderedElementsAre("container-config-invalid", "container-id-mismatch",
                                                   "container-mount-missing", "mount-invalid"));
}

TEST_F(ContentCatalogTest, ContainerOfALostImageKeepsItsOwnLayer) {
  root_.container(hex_id('a'), app_, top_.chain);
  fs::remove_all(root_.layer_dir(top_.chain));
  const auto found = containers();
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_TRUE(found[0].layer);
  EXPECT_FALSE(found[0].image_layer);
  EXPECT_THAT(kinds(damage_), ElementsAre("container-layer-missing"));
}

TEST(ImageNames, ContainersShowTheNameTheyWereMadeFromWhileItHolds) {
  ImageNames names;
  names.add("id", "app:1");
  names.add("id", "localhost:5000/x:latest");
  names.sort();
  EXPECT_EQ(names.shown("id", "app:1"), "app:1");
  EXPECT_EQ(names.shown("id", "localhost:5000/x"), "localhost:5000/x");
  EXPECT_EQ(names.shown("id", "app:2"), "app:1");
  EXPECT_EQ(names.shown("other", "app:1"), "other");
}

const std::string kA = hex_id('a'), kB = hex_id('b'), kC = hex_id('c');

TEST(LegacyCatalog, ShowsImagesHistoryAndContainers) {
  LegacyRoot root;
  root.image(kA, "", "ADD x");
  root.image(kB, kA, "RUN y");
  root.image(kC, hex_id('9'));  // its parent is lost
  root.put("repositories-vfs", R"({"Repositories":{"docker.io/library/app":{"1":")" + kB + R"(","sha256:)" + kA +
                                   R"(":")" + kB + R"("}}})");
  root.container(hex_id('1'), kB, "/web", R"(,"Config":{"Image":"app:1"},"State":{"Running":true})");
  root.put("containers/" + hex_id('2') + "/config.json", R"({"ID":")" + hex_id('2') + R"(","Driver":"aufs"})");
  const auto catalog = open_legacy_catalog(root.path(), "vfs");
  EXPECT_EQ(catalog->layout(), "graph");
  std::vector<Damage> damage;
  const auto images = catalog->images(&damage);
  EXPECT_THAT(kinds(damage), ElementsAre("parent-missing"));
  ASSERT_THAT(images, SizeIs(2));
  EXPECT_TRUE(images[0].has_children);
  EXPECT_EQ(images[1].size, 20);
  EXPECT_EQ(images[1].created, "2014-01-02T03:04:05Z");
  EXPECT_THAT(images[1].tags, ElementsAre("app:1"));
  EXPECT_THAT(images[1].digests, ElementsAre("app@sha256:" + kA));
  EXPECT_EQ(images[1].top, LayerId(kB));

  const auto history = catalog->history(kB);
  ASSERT_THAT(history, SizeIs(2));
  EXPECT_EQ(history[0].created_by, "RUN y");
  EXPECT_EQ(history[1].created_by, "ADD x");
  EXPECT_EQ(history[1].size, 10);
  EXPECT_THROW(catalog->history(kC), Error);
  EXPECT_THROW(catalog->history("x"), Error);

  damage.clear();
  const auto containers = catalog->containers(&damage);
  EXPECT_THAT(damage, IsEmpty());
  ASSERT_THAT(containers, SizeIs(1));
  EXPECT_EQ(containers[0].name, "web");
  EXPECT_EQ(containers[0].image_name, "app:1");
  EXPECT_EQ(containers[0].status, "Up");
  EXPECT_TRUE(containers[0].running);
  EXPECT_EQ(containers[0].layer, LayerId(hex_id('1')));
  EXPECT_EQ(containers[0].init, LayerId(hex_id('1') + "-init"));
  EXPECT_EQ(containers[0].image_layer, LayerId(kB));
}

class MigratedTree : public testing::TestWithParam<const char*> {
 protected:
  fs::path unpack(const std::string& archive) {
    return test::unpack_fixture(std::string("tiny-1.9.1-") + GetParam() + "-" + archive, dir_ / archive);
  }
  test::TempDir dir_;
};

TEST_P(MigratedTree, LooksTheSameBeforeAndAfterTheEnginesMigration) {
  const std::string driver = GetParam();
  const auto before = open_legacy_catalog(unpack("before"), driver);
  const auto after = open_catalog(unpack("after-1.10.3"), driver);
  std::vector<Damage> damage;
  std::multiset<std::vector<std::string>> old_names, new_names;
  std::map<std::string, std::vector<std::string>> steps;  // by first tag
  for (const auto& image : before->images(&damage)) {
    if (image.tags.empty()) continue;
    old_names.insert(image.tags);
    for (const auto& step : before->history(image.id)) steps[image.tags[0]].push_back(step.created_by);
  }
  for (const auto& image : after->images(&damage)) {
    if (image.tags.empty()) continue;
    new_names.insert(image.tags);
    std::vector<std::string> found;
    for (const auto& step : after->history(image.id)) found.push_back(step.created_by);
    EXPECT_EQ(found, steps[image.tags[0]]) << image.tags[0];
  }
  EXPECT_EQ(old_names, new_names);
  const auto old_containers = before->containers(&damage), new_containers = after->containers(&damage);
  ASSERT_EQ(old_containers.size(), new_containers.size());
  for (size_t i = 0; i < old_containers.size(); ++i) {
    EXPECT_EQ(old_containers[i].id, new_containers[i].id);
    EXPECT_EQ(old_containers[i].name, new_containers[i].name);
    EXPECT_EQ(old_containers[i].image_name, new_containers[i].image_name);
    EXPECT_EQ(old_containers[i].command, new_containers[i].command);
    EXPECT_EQ(old_containers[i].layer, new_containers[i].layer);
    EXPECT_EQ(old_containers[i].init, new_containers[i].init);
  }
  for (const auto& one : damage) ADD_FAILURE() << one.kind << " " << one.object << ": " << one.detail;
}
INSTANTIATE_TEST_SUITE_P(, MigratedTree, testing::Values("vfs", "overlay"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace cairn
