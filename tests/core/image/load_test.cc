#include "core/image/load.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <csignal>
#include <filesystem>

#include "core/image/v1_config.h"
#include "core/util/error.h"
#include "graphdb/store.h"
#include "tests/core/image/archives.h"
#include "tests/support/fake_driver.h"

namespace cairn::test {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

std::string packing_name(const testing::TestParamInfo<Packing>& test) {
  constexpr const char* names[] = {"file", "gzip", "pipe", "directory"};
  return names[static_cast<int>(test.param)];
}

class Load : public testing::TestWithParam<Packing> {
 protected:
  void SetUp() override {
    if (!running_as_root()) GTEST_SKIP() << "needs root: layers keep their owners";
    std::signal(SIGPIPE, SIG_IGN);
    driver_ = std::make_unique<FakeDriver>(dir_ / "root");
    metadata_ = open_metadata(dir_ / "root", "fake");
    metadata_->prepare();
  }

  LoadResult load(const Members& members) { return load(pack(members, GetParam(), dir_)); }
  LoadResult load(LoadInput input) {
    LayerStore layers(*driver_, *metadata_, 2, quiet_);
    return load_image_archive(std::move(input), layers, *metadata_, quiet_);
  }
  Error failure_of(const Members& members) {
    try {
      load(members);
    } catch (const Error& e) {
      return e;
    }
    ADD_FAILURE() << "nothing was thrown";
    return Error(Errc::io, "");
  }

  // Content of `path` in the image's tree.
  std::string read(const std::string& config, const std::string& path) {
    std::optional<ChainId> chain;
    for (const auto& id : config_diff_ids(config)) chain = chain_id(chain, id);
    const auto record = metadata_->layers().find(chain.value());
    if (!record) return "(no layer)";
    const auto node = driver_->tree(record->cache_id).find(path);
    return node ? read_all(*content_of(*node), 1 << 20) : "(absent)";
  }
  static std::vector<DiffId> config_diff_ids(const std::string& config) {
    std::vector<DiffId> out;
    for (size_t at = config.find("\"sha256:"); at != std::string::npos; at = config.find("\"sha256:", at + 1))
      out.push_back(DiffId::parse(config.substr(at + 1, 71)).value());
    return out;
  }
  std::map<std::string, std::string> names() {
    std::map<std::string, std::string> out;
    for (const auto& [repository, references] : metadata_->references().all())
      for (const auto& [name, id] : references) out[name] = id.str();
    return out;
  }
  size_t layer_count() { return metadata_->layers().list().size(); }
  // Every driver directory is named by a layer, and nothing else is left.
  void expect_no_leftovers() {
    EXPECT_EQ(driver_->list().size(), layer_count());
    EXPECT_THAT(metadata_->layers().abandoned(), IsEmpty());
    EXPECT_TRUE(std::filesystem::is_empty(dir_ / "root/image/fake/layerdb/tmp"));
  }

  TempDir dir_;
  NoProgress quiet_;
  std::unique_ptr<FakeDriver> driver_;
  std::unique_ptr<MetadataStore> metadata_;
};
INSTANTIATE_TEST_SUITE_P(From, Load, testing::Values(Packing::file, Packing::gzip, Packing::pipe, Packing::directory),
                         packing_name);

const std::string kA = large_layer_tar("a", 'a'), kB = large_layer_tar("b", 'b'), kTiny = layer_tar("tiny", "t");

DockerImage image_of(const std::vector<std::string>& layers, const std::vector<std::string>& tags,
                     const std::string& extra = R"("os":"linux")") {
  DockerImage out{image_config(layers, extra), {}, tags, ""};
  for (const auto& layer : layers) out.layers.emplace_back(Digest::of(layer).hex(), layer);
  return out;
}

TEST_P(Load, DockerArchiveGivesLayersConfigurationAndNames) {
  const auto image = image_of({kA, kTiny, kB}, {"docker.io/library/busybox:1", "localhost:5000/x:latest"});
  const auto result = load(docker_archive({image}));
  ASSERT_EQ(result.images.size(), 1u);
  EXPECT_EQ(result.images[0].id.value, Digest::of(image.config));
  EXPECT_THAT(result.lines(), ElementsAre("Loaded image: busybox:1", "Loaded image: localhost:5000/x:latest"));
  EXPECT_EQ(metadata_->images().config(result.images[0].id), image.config);
  EXPECT_THAT(names(), UnorderedElementsAre(std::pair("busybox:1", result.images[0].id.str()),
                                            std::pair("localhost:5000/x:latest", result.images[0].id.str())));
  EXPECT_EQ(read(image.config, "tiny"), "t");
  EXPECT_EQ(read(image.config, "a").size(), 100'000u);
  EXPECT_EQ(metadata_->images().parent(result.images[0].id), std::nullopt);
  expect_no_leftovers();
}

TEST_P(Load, WithoutNamesSaysTheId) {
  const auto image = image_of({kA}, {});
  EXPECT_THAT(load(docker_archive({image})).lines(), ElementsAre("Loaded image ID: " + Digest::of(image.config).str()));
  EXPECT_THAT(names(), IsEmpty());
}

TEST_P(Load, AgainChangesNothingAndNamesMove) {
  const auto first = image_of({kA, kB}, {"x:1"}), second = image_of({kA}, {"x:1"});
  load(docker_archive({first}));
  const auto before = driver_->list();
  load(docker_archive({first}));
  EXPECT_EQ(driver_->list(), before);
  load(docker_archive({second}));
  EXPECT_EQ(driver_->list(), before);
  EXPECT_EQ(names().at("x:1"), Digest::of(second.config).str());
  EXPECT_EQ(metadata_->images().list().size(), 2u);
  expect_no_leftovers();
}

TEST_P(Load, ImagesShareLayers) {
  const auto base = image_of({kA}, {"base:1"}), left = image_of({kA, kB}, {"left:1"}),
             right = image_of({kA, kTiny, kB}, {"right:1"});
  auto members = docker_archive({left, right, base});
  EXPECT_EQ(load(members).images.size(), 3u);
  EXPECT_EQ(layer_count(), 4u);
  EXPECT_EQ(read(right.config, "b").size(), 100'000u);
  expect_no_leftovers();
}

TEST_P(Load, OneLayerSeveralTimesInAnImage) {
  for (const auto& layer : {kA, kTiny}) {
    const auto image = image_of({layer, layer, kB, layer}, {});
    Members members{member(image.layers[0].first + "/layer.tar", layer),
                    member(image.layers[2].first + "/layer.tar", kB),
                    member(Digest::of(image.config).hex() + ".json", image.config),
                    member("manifest.json", manifest_json({image}))};
    load(members);
    EXPECT_EQ(read(image.config, "b").size(), 100'000u);
  }
  EXPECT_EQ(layer_count(), 8u);
  expect_no_leftovers();
}

TEST_P(Load, LinksBetweenLayersAreFollowedInsideTheArchive) {
  auto image = image_of({kA, kB, kA}, {});
  image.layers = {{"one", kA}, {"two", kB}, {"three", ""}};
  auto members = docker_archive({image});
  members.insert(members.begin() + 2, link_member("three/layer.tar", "../one/layer.tar"));
  load(members);
  EXPECT_EQ(layer_count(), 3u);
}

TEST_P(Load, HardLinksAndLinkedDirectoriesCount) {
  auto image = image_of({kA, kA, kA}, {});
  image.layers = {{"one", kA}, {"two", ""}, {"three", ""}};
  auto members = docker_archive({image});
  members.insert(members.begin() + 1,
                 {link_member("two/layer.tar", "one/layer.tar", '1'), link_member("three", "one")});
  load(members);
  EXPECT_EQ(layer_count(), 3u);
}

TEST_P(Load, LinksOutOfTheArchiveAreNotFollowed) {
  write_file(dir_ / "secret", kA);
  auto image = image_of({kA}, {});
  image.layers[0].second = "";
  for (const std::string& target :
       {(dir_ / "secret").string(), std::string("../../../../../..") + (dir_ / "secret").string()}) {
    auto members = docker_archive({image});
    members.push_back(link_member(image.layers[0].first + "/layer.tar", target));
    failure_of(members);
  }
  EXPECT_EQ(layer_count(), 0u);
  expect_no_leftovers();
}

TEST_P(Load, ALinkToItselfIsDamage) {
  auto image = image_of({kA}, {});
  image.layers[0].second = "";
  auto members = docker_archive({image});
  members.push_back(link_member(image.layers[0].first + "/layer.tar", "layer.tar"));
  EXPECT_THAT(failure_of(members).what(), HasSubstr(image.layers[0].first.substr(0, 12)));
}

TEST_P(Load, CompressedLayersAreRecognisedByContent) {
  auto image = image_of({kA, kTiny}, {});
  image.layers[0].second = gzip(kA);
  image.layers[1].second = gzip(kTiny);
  load(docker_archive({image}));
  EXPECT_EQ(read(image.config, "tiny"), "t");
}

TEST_P(Load, EmptyLayersAndImagesWithoutLayers) {
  auto empty = image_of({kA, ""}, {"zero:1"});
  empty.layers[1].first = "none";
  auto members = docker_archive({empty, image_of({}, {"bare:1"})});
  members.insert(members.begin(), member("none/layer.tar", ""));
  EXPECT_THAT(load(members).lines(), ElementsAre("Loaded image: zero:1", "Loaded image: bare:1"));
  EXPECT_EQ(layer_count(), 2u);
}

TEST_P(Load, LayersTheStoreHasNeedNotBeInTheArchive) {
  load(docker_archive({image_of({kA, kTiny}, {})}));
  auto image = image_of({kA, kTiny, kB}, {"more:1"});
  image.layers[0].second = image.layers[1].second = "";
  EXPECT_THAT(load(docker_archive({image})).lines(), ElementsAre("Loaded image: more:1"));
  image = image_of({kB, kTiny}, {"elsewhere:1"});  // what lies on other layers there can be had from these
  image.layers[0].second = image.layers[1].second = "";
  EXPECT_THAT(load(docker_archive({image})).lines(), ElementsAre("Loaded image: elsewhere:1"));
  EXPECT_EQ(read(image.config, "tiny"), "t");
  image = image_of({kB, layer_tar("new", "n"), layer_tar("newer", "n")}, {});
  image.layers[1].second = image.layers[2].second = "";
  const auto error = failure_of(docker_archive({image}));
  EXPECT_EQ(error.code(), Errc::not_found);
  EXPECT_THAT(error.what(), testing::AllOf(HasSubstr("loading '"), HasSubstr("2 of its 3 layers"),
                                           HasSubstr(image.layers[1].first), HasSubstr(image.layers[2].first)));
  EXPECT_EQ(layer_count(), 5u);
  expect_no_leftovers();
}

TEST_P(Load, ABlobThatIsLeftOutMayHaveBeenPacked) {
  load(docker_archive({image_of({kA, kTiny}, {})}));
  Members layout;
  const std::string config = image_config({kB, kTiny}), packed = gzip(kTiny);
  add_oci_image(layout, config, {kB, packed});
  std::erase_if(layout, [&](const RawEntry& entry) { return entry.content == packed; });
  std::string manifest;
  for (const auto& entry : layout)
    if (entry.content.starts_with("{\"schema")) manifest = R"({"digest":")" + Digest::of(entry.content).str() + "\"}";
  layout.push_back(member("index.json", index_json({manifest})));
  EXPECT_EQ(load(layout).images.size(), 1u);
  EXPECT_EQ(read(config, "tiny"), "t");
  expect_no_leftovers();
}

TEST_P(Load, AWrongLayerStopsItsImageOnly) {
  auto bad = image_of({kA, kB}, {"bad:1"});
  bad.layers[1] = {"swapped", large_layer_tar("c", 'c')};
  const auto good = image_of({kA, kTiny}, {"good:1"});
  const auto result = load(docker_archive({bad, good}));
  EXPECT_THAT(result.lines(), ElementsAre("Loaded image: good:1"));
  ASSERT_EQ(result.failed.size(), 1u);
  EXPECT_EQ(result.failed[0].label, "bad:1");
  EXPECT_EQ(result.failed[0].code, Errc::corrupt);
  EXPECT_THAT(result.failed[0].error,
              testing::AllOf(HasSubstr("DiffID"), HasSubstr(Digest::of(kB).hex().substr(0, 12))));
  EXPECT_THAT(names(), testing::SizeIs(1));
  EXPECT_EQ(layer_count(), 2u);
  expect_no_leftovers();
}

TEST_P(Load, ABrokenLayerIsNamed) {
  auto image = image_of({kA}, {"bad:1"});
  image.layers[0].second = gzip(kA).substr(0, 300) + std::string(100'000, 'x');
  const auto error = failure_of(docker_archive({image}));
  EXPECT_EQ(error.code(), Errc::corrupt);
  EXPECT_THAT(error.what(),
              testing::AllOf(HasSubstr("bad:1"), HasSubstr("layer " + image.layers[0].first.substr(0, 12))));
  expect_no_leftovers();
}

struct BadManifest {
  std::string manifest, why;
};
TEST_P(Load, BadManifestsAreRefused) {
  const auto image = image_of({kTiny}, {});
  const std::string config = Digest::of(image.config).hex() + ".json", layer = image.layers[0].first + "/layer.tar";
  for (const auto& [manifest, why] : std::vector<BadManifest>{
           {"", "at byte 0"},
           {"null", "expected an array"},
           {"{}", "expected an array"},
           {"[1]", "expected an object"},
           {R"([{"Config":"none.json","Layers":[]}])", "none.json"},
           {R"([{"Config":"../../../../../etc/passwd","Layers":[]}])", "etc/passwd"},
           {R"([{"Config":"manifest.json","Layers":[]}])", "expected an object"},
           {R"([{"Config":")" + config + R"(","Layers":[]}])", "lists 0 layers, the configuration 1"},
           {R"([{"Config":")" + config + R"(","Layers":["a","b"]}])", "lists 2 layers"},
           {R"([{"Config":")" + config + R"(","Layers":["nowhere"]}])", "nowhere"},
           {R"([{"Config":")" + config + R"(","Layers":[")" + layer + R"("],"RepoTags":["Bad:1"]}])", "lowercase"},
           {R"([{"Config":")" + config + R"(","Layers":[")" + layer + R"("],"RepoTags":["untagged"]}])", "no tag"},
           {R"([{"Config":")" + config + R"(","Layers":[")" + layer + R"("],"Parent":"x"}])", "not an ID"}}) {
    auto members = docker_archive({image});
    members.back() = member("manifest.json", manifest);
    EXPECT_THAT(failure_of(members).what(), HasSubstr(why)) << manifest;
  }
  EXPECT_EQ(layer_count(), 0u);
  expect_no_leftovers();
}

TEST_P(Load, AnEmptyManifestLoadsNothing) { EXPECT_THAT(load({member("manifest.json", "[]")}).lines(), IsEmpty()); }

TEST_P(Load, OtherSystemsAndEndlessChainsAreRefused) {
  EXPECT_THAT(failure_of(docker_archive({image_of({}, {}, R"("os":"windows")")})).what(), HasSubstr("windows"));
  const std::vector<std::string> many(126, kTiny);
  auto image = image_of(many, {});
  for (size_t i = 1; i < image.layers.size(); ++i) image.layers[i].second = "";
  EXPECT_THAT(failure_of(docker_archive({image})).what(), HasSubstr("126"));
  EXPECT_EQ(layer_count(), 0u);
}

TEST_P(Load, ParentsAreLinkedWhenTheHistoryContinuesTheirs) {
  const std::string one = R"({"created_by":"a"})", two = R"({"created_by":"b"})";
  const auto base = image_of({kTiny}, {}, R"("history":[)" + one + "]");
  auto child = image_of({kTiny, kA}, {}, R"("history":[ )" + one + "," + two + "]");
  auto stranger = image_of({kTiny}, {"s:1"}, R"("history":[)" + two + "]");
  child.parent = stranger.parent = Digest::of(base.config).str();
  const auto result = load(docker_archive({child, stranger, base}));
  EXPECT_EQ(result.images.size(), 3u);
  EXPECT_EQ(metadata_->images().parent(result.images[0].id), ImageId(Digest::of(base.config)));
  EXPECT_EQ(metadata_->images().parent(result.images[1].id), std::nullopt);
  ASSERT_EQ(result.failed.size(), 1u);
  EXPECT_THAT(result.failed[0].error, HasSubstr("parent"));
}

TEST_P(Load, WhatIsNoArchiveSaysSo) {
  const auto error = failure_of({member("etc/passwd", "root"), member("bin/sh", "x")});
  EXPECT_EQ(error.code(), Errc::invalid);
  EXPECT_THAT(error.what(), HasSubstr("no image archive"));
}

// ---- OCI layouts ----

TEST_P(Load, OciLayoutWithNamesLoadsEachImage) {
  Members layout{member("oci-layout", R"({"imageLayoutVersion":"1.0.0"})")};
  const auto big = image_config({kA, kB}), small = image_config({kTiny});
  const auto one = add_oci_image(layout, big, {gzip(kA), gzip(kB)}, named("big"));
  const auto two = add_oci_image(
      layout, small, {kTiny},
      R"(,"annotations":{"org.opencontainers.image.ref.name":"1","io.containerd.image.name":"docker.io/library/small:1"})");
  layout.push_back(member("index.json", index_json({one, two, two})));
  EXPECT_THAT(load(layout).lines(), ElementsAre("Loaded image: big:latest", "Loaded image: small:1"));
  EXPECT_EQ(read(big, "b").size(), 100'000u);
  EXPECT_EQ(names().at("small:1"), Digest::of(small).str());
  expect_no_leftovers();
}

TEST_P(Load, OciIndexWithoutNamesSaysTheId) {
  Members layout;
  const auto config = image_config({kA});
  const auto odd = image_config({kTiny});
  layout.push_back(member("index.json", index_json({add_oci_image(layout, config, {kA}),
                                                    add_oci_image(layout, odd, {kTiny}, named("v1+build 3"))})));
  EXPECT_THAT(load(layout).lines(), UnorderedElementsAre("Loaded image ID: " + Digest::of(config).str(),
                                                         "Loaded image ID: " + Digest::of(odd).str()));
}

TEST_P(Load, SeveralNamesOfOneImageAreOneImage) {
  Members layout;
  const auto config = image_config({kA});
  const auto one = add_oci_image(layout, config, {kA}, named("a:1"));
  auto two = one;
  two.replace(two.find("a:1"), 3, "b:2");
  layout.push_back(member("index.json", index_json({one, two})));
  EXPECT_EQ(load(layout).images.size(), 1u);
  EXPECT_THAT(names(), testing::SizeIs(2));
}

std::string platform(const std::string& os, const std::string& architecture) {
  return R"(,"platform":{"os":")" + os + R"(","architecture":")" + architecture + "\"}";
}

TEST_P(Load, OfSeveralPlatformsTheWantedOne) {
  Members layout;
  const auto arm = image_config({kA}, R"("os":"linux","architecture":"arm64")");
  const auto intel = image_config({kB}, R"("os":"linux","architecture":"amd64")");
  // What is for other machines need not be in the archive.
  Members dropped;
  const auto missing = add_oci_image(dropped, image_config({kTiny}), {kTiny}, platform("linux", "s390x"));
  const auto proof = add_oci_image(dropped, "{}", {}, platform("unknown", "unknown"));
  const auto nested = add_blob(layout,
                               index_json({missing, proof, add_oci_image(layout, arm, {kA}, platform("linux", "arm64")),
                                           add_oci_image(layout, intel, {kB}, platform("linux", "amd64"))}),
                               R"(,"mediaType":"application/vnd.oci.image.index.v1+json")" + named("multi:1"));
  layout.push_back(member("index.json", index_json({nested})));
  for (const auto& [name, config] : {std::pair("arm64", arm), {"amd64", intel}}) {
    auto input = pack(layout, GetParam(), dir_);
    input.platform = {"linux", name, ""};
    EXPECT_EQ(load(std::move(input)).images.at(0).id.value, Digest::of(config));
    EXPECT_EQ(names().at("multi:1"), Digest::of(config).str());
  }
  auto input = pack(layout, GetParam(), dir_);
  input.platform = {"linux", "riscv64", ""};
  try {
    load(std::move(input));
    FAIL() << "there is none";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::not_found);
    EXPECT_THAT(e.what(),
                testing::AllOf(HasSubstr("linux/riscv64"), HasSubstr("linux/s390x"), HasSubstr("linux/arm64")));
  }
}

TEST_P(Load, IndexesMayBeNestedButNotWithoutEnd) {
  Members layout;
  std::string entry = add_oci_image(layout, image_config({kTiny}), {kTiny});
  for (int depth = 0; depth < 3; ++depth) entry = add_blob(layout, index_json({entry}));
  auto shallow = layout;
  shallow.push_back(member("index.json", index_json({entry})));
  EXPECT_EQ(load(shallow).images.size(), 1u);
  entry = add_blob(layout, index_json({entry}));
  layout.push_back(member("index.json", index_json({entry})));
  EXPECT_THAT(failure_of(layout).what(), HasSubstr("nested too deeply"));
}

TEST_P(Load, ALayoutOfIndexesThatMultiplyIsCutShort) {
  Members layout;
  std::string entry = add_oci_image(layout, image_config({kTiny}), {kTiny});
  for (int depth = 0; depth < 2; ++depth) entry = add_blob(layout, index_json(std::vector<std::string>(200, entry)));
  layout.push_back(member("index.json", index_json({entry})));
  EXPECT_THAT(failure_of(layout).what(), HasSubstr("too many manifests"));
}

TEST_P(Load, HostileDescriptorsAreRefused) {
  const auto config = image_config({kTiny});
  const auto with = [&](const std::string& from, const std::string& to) {
    Members layout;
    auto manifest = add_oci_image(layout, config, {kTiny});
    for (auto& entry : layout)
      if (const size_t at = entry.content.find(from);
          at != std::string::npos && entry.content.starts_with("{\"schema")) {
        entry.content.replace(at, from.size(), to);
        manifest = R"({"digest":")" + Digest::of(entry.content).str() + "\"}";
        entry.name = "blobs/sha256/" + Digest::of(entry.content).hex();
      }
    layout.push_back(member("index.json", index_json({manifest})));
    return layout;
  };
  const auto text = Digest::of(kTiny).str();
  EXPECT_THAT(failure_of(with(text, "sha256:../../../../etc/passwd")).what(), HasSubstr("is not a sha256 digest"));
  EXPECT_THAT(failure_of(with(text, Digest::of(kA).str())).what(), HasSubstr("is missing"));
  EXPECT_THAT(failure_of(with(R"("layers":[)", R"("layers":[{"digest":")" + text + "\"},")).what(),
              HasSubstr("2 layers"));
  EXPECT_THAT(failure_of(with(R"("config")", R"("manifests":[],"config")")).what(), HasSubstr("index too"));
  EXPECT_THAT(failure_of(with(R"("config")", R"("other")")).what(), HasSubstr("names no configuration"));
  EXPECT_EQ(layer_count(), 0u);
  expect_no_leftovers();
}

TEST_P(Load, ForeignLayersSayWhereTheyAre) {
  Members layout;
  Members elsewhere;
  const auto blob = add_blob(elsewhere, kA, R"(,"urls":["https://example.org/a"])");
  const auto config = add_blob(layout, image_config({kA}));
  const auto manifest = add_blob(layout, R"({"config":)" + config + R"(,"layers":[)" + blob + "]}");
  layout.push_back(member("index.json", index_json({manifest})));
  EXPECT_THAT(failure_of(layout).what(), HasSubstr("https://example.org/a"));
}

TEST_P(Load, BlobsWithOtherContentThanTheirNameAreRefused) {
  for (const size_t changed : {0u, 1u, 2u}) {  // layer, configuration, manifest
    Members layout;
    const auto manifest = add_oci_image(layout, image_config({kA}), {gzip(kA)});
    layout[changed].content = changed == 0 ? gzip(kA + std::string(512, '\0')) : layout[changed].content + " ";
    layout.push_back(member("index.json", index_json({manifest})));
    const auto error = failure_of(layout);
    EXPECT_EQ(error.code(), Errc::corrupt);
    EXPECT_THAT(error.what(), HasSubstr("digest"));
  }
  EXPECT_EQ(layer_count(), 0u);
  expect_no_leftovers();
}

TEST_P(Load, DockerSaveOf25IsReadByItsManifest) {
  Members archive;
  const auto config = image_config({kA, kTiny});
  const auto manifest = add_oci_image(archive, config, {kA, kTiny}, named("latest"));
  archive.push_back(member("index.json", index_json({manifest})));
  const auto blob = [](const std::string& bytes) { return "\"blobs/sha256/" + Digest::of(bytes).hex() + "\""; };
  archive.push_back(member("manifest.json", "[{\"Config\":" + blob(config) + R"(,"RepoTags":["busybox:1"],"Layers":[)" +
                                                blob(kA) + "," + blob(kTiny) + R"(],"LayerSources":{}}])"));
  EXPECT_THAT(load(archive).lines(), ElementsAre("Loaded image: busybox:1"));
  archive[2].content += " ";  // the configuration
  EXPECT_THAT(failure_of(archive).what(), HasSubstr("digest"));
}

// ---- docker save of 1.9 and before ----

const std::string kV1Base(64, '1'), kV1Child(64, '2'), kV1Other(64, '3');

Members v1_image(const std::string& id, const std::string& parent, const std::string& layer) {
  const std::string json = R"({"id":")" + id + "\"," + (parent.empty() ? "" : R"("parent":")" + parent + "\",") +
                           R"("created":"2014-01-01T00:00:00Z","docker_version":"1.6.2","os":"linux"})";
  return {member(id + "/VERSION", "1.0"), member(id + "/json", json), member(id + "/layer.tar", layer)};
}

TEST_P(Load, ArchivesOfOldEnginesAreConvertedAsTheMigrationDoes) {
  Members archive;
  append(archive, v1_image(kV1Child, kV1Base, kB));
  append(archive, v1_image(kV1Base, "", kA));
  append(archive, v1_image(kV1Other, kV1Base, kTiny));
  archive.push_back(member("repositories", R"({"old":{"1":")" + kV1Child + R"(","base":")" + kV1Base + "\"}}"));
  const auto result = load(archive);

  const auto json = [&](size_t image) { return archive[3 * image + 1].content; };
  const std::vector<DiffId> diffs{DiffId(Digest::of(kA)), DiffId(Digest::of(kB))};
  const std::vector<std::string> history{history_from_v1(json(1)), history_from_v1(json(0))};
  const ImageId base(Digest::of(config_from_v1(json(1), std::span(diffs).first(1), std::span(history).first(1))));
  const ImageId child(Digest::of(config_from_v1(json(0), diffs, history)));
  EXPECT_THAT(names(), UnorderedElementsAre(std::pair("old:1", child.str()), std::pair("old:base", base.str())));
  EXPECT_EQ(metadata_->images().parent(child), base);
  EXPECT_EQ(metadata_->images().parent(base), std::nullopt);
  EXPECT_EQ(result.images.size(), 3u) << "the one without a name as well";
  EXPECT_THAT(result.lines(), testing::Contains(HasSubstr("Loaded image ID: ")));
  EXPECT_EQ(layer_count(), 3u);
  expect_no_leftovers();
}

TEST_P(Load, OldArchivesWithoutNamesAreLoadedToo) {
  EXPECT_THAT(load(v1_image(kV1Base, "", kA)).lines(), ElementsAre(testing::StartsWith("Loaded image ID: ")));
}

TEST_P(Load, DamageInAnOldArchiveStopsWhatNeedsIt) {
  Members archive;
  append(archive, v1_image(kV1Base, "", kA));
  append(archive, v1_image(kV1Child, kV1Base, gzip(kB).substr(0, 60) + std::string(100'000, 'x')));
  append(archive, v1_image(kV1Other, std::string(64, '9'), kTiny));
  archive.push_back(member("repositories", R"({"old":{"base":")" + kV1Base + R"(","child":")" + kV1Child +
                                               R"("},"Bad Name":{"1":")" + kV1Base + "\"}}"));
  const auto result = load(archive);
  EXPECT_THAT(names(), ElementsAre(testing::Key("old:base")));
  std::vector<std::string> labels;
  for (const auto& failed : result.failed) labels.push_back(failed.label);
  EXPECT_THAT(labels, UnorderedElementsAre(kV1Child, kV1Other, "old:child", "Bad Name:1"));
  EXPECT_EQ(layer_count(), 1u);
  expect_no_leftovers();
}

TEST_P(Load, OldImagesThatAreTheirOwnAncestorsAreRefused) {
  Members archive;
  append(archive, v1_image(kV1Base, kV1Child, kA));
  append(archive, v1_image(kV1Child, kV1Base, kB));
  EXPECT_THAT(failure_of(archive).what(), HasSubstr("its own ancestor"));
  expect_no_leftovers();
}

// ---- tars as files ----

class LoadTar : public Load {};
INSTANTIATE_TEST_SUITE_P(From, LoadTar, testing::Values(Packing::file, Packing::gzip, Packing::pipe), packing_name);

TEST_P(LoadTar, NamesMayBeSpelledOddly) {
  const auto image = image_of({kA}, {"x:1"});
  auto members = docker_archive({image});
  for (auto& entry : members) entry.name = "./" + entry.name;
  RawEntry folder;
  folder.name = "./";
  folder.type = '5';
  members.insert(members.begin(), folder);
  RawEntry global;
  global.name = "pax_global_header";
  global.type = 'g';
  global.content = pax_records({{"comment", "hello"}});
  members.insert(members.begin() + 1, global);
  EXPECT_THAT(load(members).lines(), ElementsAre("Loaded image: x:1"));
}

TEST_P(LoadTar, TheLastOfSeveralMembersOfANameCounts) {
  auto members = docker_archive({image_of({kA}, {"x:1"})});
  members.insert(members.begin(), {members[0], member("manifest.json", "old")});
  members[0].content = kB;
  EXPECT_THAT(load(members).lines(), ElementsAre("Loaded image: x:1"));
  expect_no_leftovers();
}

TEST_P(LoadTar, ACutArchiveIsDamaged) {
  const auto whole = tar_of(docker_archive({image_of({kA, kB}, {"x:1"})}));
  for (const size_t length : {size_t{700}, size_t{50'000}, size_t{150'000}, whole.size() - 2048}) {
    const auto path = dir_ / "cut";
    write_file(path, GetParam() == Packing::gzip ? gzip(whole.substr(0, length)) : whole.substr(0, length));
    try {
      load(open_load_input(path));
      ADD_FAILURE() << "loaded " << length << " bytes";
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), HasSubstr("loading '" + path.string()));
    }
    EXPECT_EQ(metadata_->images().list().size(), 0u);
    expect_no_leftovers();
  }
}

class LoadStream : public Load {};
INSTANTIATE_TEST_SUITE_P(From, LoadStream, testing::Values(Packing::gzip, Packing::pipe), packing_name);

TEST_P(LoadStream, ACutCompressedArchiveIsDamaged) {
  const auto whole = gzip(tar_of(docker_archive({image_of({kA, kB}, {"x:1"})})));
  for (size_t length = 20; length < whole.size(); length += whole.size() / 7) {
    write_file(dir_ / "cut", whole.substr(0, length));
    EXPECT_THROW(load(open_load_input(dir_ / "cut")), Error) << length << " of " << whole.size();
    EXPECT_EQ(metadata_->images().list().size(), 0u);
    expect_no_leftovers();
  }
}

TEST_P(LoadTar, SparseMembersAreReadToo) {
  const auto image = image_of({kA}, {"x:1"});
  auto members = docker_archive({image});
  // GNU sparse 0.1: the whole content in two pieces around a hole of zeros.
  const size_t hole = kA.find(std::string(400, '\0')), length = 400;
  RawEntry& layer = members[0];
  layer.content = kA.substr(0, hole) + kA.substr(hole + length);
  layer.pax = {{"GNU.sparse.major", "0"},
               {"GNU.sparse.minor", "1"},
               {"GNU.sparse.name", layer.name},
               {"GNU.sparse.size", std::to_string(kA.size())},
               {"GNU.sparse.numblocks", "2"},
               {"GNU.sparse.map", "0," + std::to_string(hole) + "," + std::to_string(hole + length) + "," +
                                      std::to_string(kA.size() - hole - length)}};
  EXPECT_THAT(load(members).lines(), ElementsAre("Loaded image: x:1"));
}

TEST_P(LoadStream, FilesThatAreNoPartOfAnImageAreIgnored) {
  auto members = docker_archive({image_of({kA}, {"x:1"})});
  members.insert(members.begin(), {member("README", std::string(200'000, 'r')),
                                   member("junk.gz", "\x1f\x8b" + std::string(100'000, 'x')), member("other.tar", kB),
                                   member("big.json", "{" + std::string(9 << 20, ' '))});
  EXPECT_THAT(load(members).lines(), ElementsAre("Loaded image: x:1"));
  EXPECT_EQ(layer_count(), 1u);
  expect_no_leftovers();
}

TEST_P(LoadStream, TooLargeTextsAreNotTakenIn) {
  const auto image = image_of({kA}, {"x:1"});
  auto members = docker_archive({image});
  members.back().content += std::string(9 << 20, ' ');
  EXPECT_EQ(failure_of(members).code(), Errc::corrupt);
}

// ---- the rest ----

class LoadOnce : public Load {};
INSTANTIATE_TEST_SUITE_P(, LoadOnce, testing::Values(Packing::directory));

TEST_P(LoadOnce, FifosInADirectoryAreNotWaitedFor) {
  std::filesystem::create_directories(dir_ / "layout");
  ASSERT_EQ(::mkfifo((dir_ / "layout/index.json").c_str(), 0600), 0);
  EXPECT_THROW(load(open_load_input(dir_ / "layout")), Error);
}

TEST_P(LoadOnce, AMissingFileIsNotFound) {
  try {
    open_load_input(dir_ / "none");
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::not_found);
  }
}

TEST_P(LoadOnce, ReadsAFileFromItsOffset) {
  const auto image = image_of({kA}, {"x:1"});
  write_file(dir_ / "archive", std::string(1000, '#') + tar_of(docker_archive({image})));
  auto input = open_load_input(dir_ / "archive");
  ASSERT_EQ(::lseek(input.fd.get(), 1000, SEEK_SET), 1000);
  EXPECT_THAT(load(std::move(input)).lines(), ElementsAre("Loaded image: x:1"));
}

}  // namespace
}  // namespace cairn::test
