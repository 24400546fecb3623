#include "core/image/save/save.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "core/archive/compression.h"
#include "core/archive/generate.h"
#include "core/archive/tar_reader.h"
#include "core/image/image_store.h"
#include "core/image/manifest.h"
#include "core/image/save/archive_file.h"
#include "core/image/save/v1_layers.h"
#include "core/image/sources/text_archive.h"
#include "core/util/error.h"
#include "graphdb/catalog/catalog.h"
#include "graphdb/store.h"
#include "tests/core/image/archives.h"
#include "tests/support/fake_driver.h"
#include "tests/support/no_nameless_files.h"

namespace cairn::test {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;

const std::string kA = large_layer_tar("a", 'a'), kB = large_layer_tar("b", 'b'), kTiny = layer_tar("tiny", "t");

CatalogImage catalog_image(const std::string& id, const std::vector<std::string>& tags,
                           const std::vector<std::string>& digests = {}) {
  CatalogImage out;
  out.id = id;
  out.tags = tags;
  out.digests = digests;
  return out;
}

std::string id_of(char digit) { return "sha256:" + std::string(64, digit); }

class Choose : public testing::Test {
 protected:
  using Chosen = std::vector<std::pair<std::string, std::vector<std::string>>>;
  Chosen choose(const std::vector<std::string>& references) const {
    Chosen out;
    for (const auto& image : choose_images(images_, references)) out.emplace_back(image.id.str(), image.tags);
    return out;
  }
  std::vector<CatalogImage> images_{
      catalog_image(id_of('a'), {"app:1", "app:3", "other:1"}),
      catalog_image(id_of('b'), {"app:2", "app/sub:1"}, {"app@" + id_of('d')}),
      catalog_image(id_of('c'), {"localhost:5000/app:1"}),
      catalog_image("sha256:abc" + std::string(61, '0'), {}),
  };
};

TEST_F(Choose, ANameWithoutTagMeansAllItsTagsInTheirOrder) {
  EXPECT_EQ(choose({"app"}), (Chosen{{id_of('a'), {"app:1", "app:3"}}, {id_of('b'), {"app:2"}}}));
  EXPECT_EQ(choose({"docker.io/library/app"}), choose({"app"}));
  EXPECT_EQ(choose({"localhost:5000/app"}), (Chosen{{id_of('c'), {"localhost:5000/app:1"}}}));
}

TEST_F(Choose, NamesIdsAndDigestsOfOneImageAreOne) {
  EXPECT_EQ(choose({"other:1", id_of('a'), "aaaa", "app:1", "other:1"}), (Chosen{{id_of('a'), {"other:1", "app:1"}}}));
  EXPECT_EQ(choose({std::string(64, 'b')}), (Chosen{{id_of('b'), {}}}));
  EXPECT_EQ(choose({"app@" + id_of('d')}), (Chosen{{id_of('b'), {}}}));
  EXPECT_EQ(choose({"abc"}), (Chosen{{images_[3].id, {}}}));
}

TEST_F(Choose, WhatMeansNothingIsSaid) {
  for (const std::string name : {"nothing", "app:9", "0000", "a", "UPPER", ""})
    EXPECT_THROW(choose({name}), Error) << name;
}

class Held : public testing::Test {
 protected:
  static DiffId diff(char digit) { return DiffId(*Digest::from_hex(std::string(64, digit))); }
  static std::vector<DiffId> image(const std::string& digits) {
    std::vector<DiffId> out;
    for (const char digit : digits) out.push_back(diff(digit));
    return out;
  }
  static std::string chain(const std::string& digits) { return top_chain(image(digits))->str(); }
  // What is left out of the image with these layers for a receiver of which `text` tells.
  static std::string left_out(const std::string& text, const std::string& digits) {
    HeldLayers held;
    held.add_text(text);
    return digits.substr(0, held.count_of(image(digits)));
  }
  // "a,b" between `before` and `after`, each digest in double quotes.
  static std::string quoted(const std::string& digits) {
    std::string out;
    for (const char digit : digits) out += (out.empty() ? "\"" : ",\n  \"") + id_of(digit) + "\"";
    return out;
  }
  static std::string inspected(const std::string& digits) {
    return R"({"Id":")" + id_of('0') + R"(","RootFS":{"Type":"layers","Layers":[)" + quoted(digits) + "]}}";
  }
};

TEST_F(Held, CountsWhatAnImageNeedNotBring) {
  EXPECT_EQ(HeldLayers().count_of(image("123")), 0u);
  HeldLayers whole;
  whole.add_image(image("12"));
  EXPECT_EQ(whole.count_of(image("123")), 2u);
  EXPECT_EQ(whole.count_of(image("21")), 0u) << "on other layers";
  HeldLayers texts;
  EXPECT_EQ(texts.add_text("x " + chain("12") + "\n"), 1u);
  EXPECT_EQ(texts.add_text("[\"" + id_of('1') + "\",\"" + id_of('3') + "\", \"sha256:12\"]"), 2u);
  EXPECT_EQ(texts.add_text(""), 0u);
  EXPECT_EQ(texts.add_text("nothing"), 0u);
  EXPECT_EQ(texts.add_text("[ ] {}\n[]\n[\n"), 0u);
}

TEST_F(Held, ALayerIsThereOnlyWhereAnImageHasIt) {
  const std::string inspect = "[\n " + inspected("a") + ",\n " + inspected("ce") + "\n]\n";
  EXPECT_EQ(left_out(inspect, "ae"), "a") << "the receiver has e on c alone";
  EXPECT_EQ(left_out(inspect, "ced"), "ce");
  EXPECT_EQ(left_out(inspect, "e"), "");
  EXPECT_EQ(left_out(inspect, "ca"), "c");
}

TEST_F(Held, ImagesAreToldByJsonOfAllKinds) {
  const std::string config = R"({"os":"linux","rootfs":{"type":"layers","diff_ids":[)" + quoted("ab") + "]}}";
  for (const auto& text :
       {config, config + "\n" + inspected("cd"), "[" + config + "]", inspected("ab") + inspected("c"),
        "[" + quoted("ab") + "]\n[" + quoted("cd") + "]\n", "Welcome!\n[" + inspected("ab") + "]",
        "[" + id_of('a') + " " + id_of('b') + "]\n[" + id_of('c') + "]\n",
        R"([{"chain_id":null},{"id":")" + id_of('0') + R"(","chain_id":")" + chain("ab") + "\"}]",
        R"({"chain_id":")" + chain("ab") + "\"}"}) {
    EXPECT_EQ(left_out(text, "abe"), "ab") << text;
    EXPECT_EQ(left_out(text, "b"), "") << text;
    EXPECT_EQ(left_out(text, "cb").find('b'), std::string::npos) << text;
  }
  EXPECT_EQ(left_out(R"({"chain_id":")" + id_of('a') + "\"}", "ab"), "a");
}

TEST_F(Held, WhatOtherPartsOfADocumentHaveSaysNothing) {
  const std::string layers = inspected("a");
  const std::string labelled = R"([{"Config":{"Labels":{"top":")" + id_of('e') + R"(","chain":")" + chain("ce") +
                               R"("}},"RepoDigests":["x@)" + id_of('f') + "\"]," + layers.substr(1) + "]";
  EXPECT_EQ(left_out(labelled, "ae"), "a");
  EXPECT_EQ(left_out(labelled, "e"), "");
  EXPECT_EQ(left_out(labelled, "ce"), "");
}

TEST_F(Held, OfOtherTextsOnlyChainsCountThatNoDiffIdCanBe) {
  const std::string lines = id_of('a') + "\n" + id_of('c') + "\n" + id_of('e') + "\n" + chain("ce") + "\n";
  EXPECT_EQ(left_out(lines, "ced"), "ce");
  for (const std::string image : {"ae", "ac", "e", "c"}) EXPECT_EQ(left_out(lines, image), "") << image;
  const std::string applied = id_of('e') + " " + chain("ce") + " cacheid\n";
  EXPECT_EQ(left_out(applied, "ce"), "ce");
  EXPECT_EQ(left_out(applied, "e"), "");
  // Cut off somewhere.
  const std::string inspect = "[" + inspected("a") + "," + inspected("ce") + "]";
  for (size_t size = 0; size < inspect.size(); ++size)
    for (const std::string image : {"ae", "e", "ca"}) EXPECT_EQ(left_out(inspect.substr(0, size), image), "") << size;
}

TEST(TextArchive, ALinkGivesWayToAFileOfItsName) {
  const auto tar = read_from(tar_of({link_member("manifest.json", "other"), member("other", "{\"wrong\":1}"),
                                     member("./manifest.json", "[]"), member("twice", "{}"), member("twice", "text")}));
  const TextArchive archive(*tar);
  EXPECT_EQ(archive.text("manifest.json"), "[]");
  EXPECT_EQ(archive.text("twice"), std::nullopt);
}

TEST(TextArchive, HasNoMoreMembersThanOthers) {
  const auto archive_of = [](int count) {
    return generate([count](ByteSink& out) {
      for (int i = 0; i < count; ++i) {
        const std::string name = std::to_string(i);
        out.write(TarBuilder().add(i % 2 == 0 ? member(name, "{}") : link_member(name, "x")).unfinished());
      }
      out.write(std::string(1024, '\0'));
    });
  };
  EXPECT_NO_THROW(TextArchive(*archive_of(1000)));
  EXPECT_THROW(TextArchive(*archive_of(300'000)), Error);
}

TEST(V1Layers, AreThoseOfAnEngine) {
  // The worked example of engines from 18.06 on.
  const DiffId diff(*Digest::from_hex("f191e625176e7514249870c60bc24622131b04927a418001d1969c9cecd260f1"));
  const auto layers = v1_layers(R"({"created":"2020-02-03T04:05:06.7Z","os":"linux"})", std::vector{diff, diff});
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers[0].id, "a4b7fd671122e516397ca9b8270afca08eb694d30216d32741117eae878d98e5");
  EXPECT_THAT(layers[1].json, HasSubstr("\"parent\":\"" + layers[0].id + "\",\"created\":\"2020-02-03T04:05:06.7Z\""));
  EXPECT_THAT(v1_layers("{}", {}), IsEmpty());
  EXPECT_THROW(v1_layers(R"({"config":{"Env":1}})", {}), Error);
}

TEST(V1Layers, TimesBefore1970AndUnknownOnesAreZero) {
  EXPECT_EQ(created_time(R"({"created":"2020-02-03T04:05:06.7+01:30"})"), 1580697306);
  EXPECT_EQ(created_time(R"({"created":"1969-12-31T23:59:59Z"})"), 0);
  EXPECT_EQ(created_time("{}"), 0);
}

class Save : public testing::Test {
 protected:
  void SetUp() override {
    if (!running_as_root()) GTEST_SKIP() << "needs root: layers keep their owners";
    driver_ = std::make_unique<FakeDriver>(dir_ / "root");
    metadata_ = open_metadata(dir_ / "root", "fake");
    metadata_->prepare();
    options_.scratch = dir_.path();
  }

  ImageId add(const std::vector<std::string>& layers, const std::string& extra = R"("os":"linux")") {
    DockerImage image{image_config(layers, extra), {}, {}, ""};
    for (const auto& layer : layers) image.layers.emplace_back(Digest::of(layer).hex(), layer);
    LayerStore store(*driver_, *metadata_, 2, quiet_);
    load_image_archive(pack(docker_archive({image}), Packing::file, dir_), store, *metadata_, quiet_);
    return ImageId(Digest::of(image.config));
  }
  std::string save(const std::vector<ChosenImage>& images) {
    LayerStore store(*driver_, *metadata_, 2, quiet_);
    StringSink out;
    result_ = save_images(images, options_, store, *metadata_, {out}, quiet_);
    return out.text;
  }
  static std::map<std::string, std::string> members(const std::string& archive) {
    const auto bytes = read_from(archive);
    TarReader tar(*bytes);
    std::map<std::string, std::string> out;
    while (const auto* entry = tar.next()) {
      std::string text(entry->type == TarType::file ? entry->size : 0, '\0');
      const std::string name = entry->name;
      for (size_t at = 0; at < text.size();) at += tar.read(std::span(text).subspan(at));
      out[name] = entry->type == TarType::symlink ? "-> " + entry->link_target : text;
    }
    return out;
  }
  // A manifest of `image` whose layers are the given blobs, kept in the store.
  std::string keep_manifest(const ImageId& image, const std::vector<std::string>& blobs) {
    Descriptor config;
    config.media_type = media_type::docker_config;
    config.digest = image.str();
    config.size = static_cast<int64_t>(metadata_->images().config(image).size());
    std::vector<Descriptor> layers;
    for (const auto& blob : blobs) {
      Descriptor& one = layers.emplace_back();
      one.media_type = media_type::docker_layer;
      one.digest = Digest::of(blob).str();
      one.size = static_cast<int64_t>(blob.size());
    }
    const std::string bytes = encode_manifest(media_type::schema2, config, layers) + "\n ";  // no writer's own bytes
    metadata_->manifests().put(bytes, image);
    return bytes;
  }
  static std::string packed(const std::string& tar) {
    StringSink out;
    GzipSink gzip(out);
    gzip.write(tar);
    gzip.finish();
    return out.text;
  }
  static bool has_blob(const std::map<std::string, std::string>& archive, const std::string& bytes) {
    const auto found = archive.find(blob_name(bytes));
    return found != archive.end() && found->second == bytes;
  }
  static std::string blob_name(const std::string& bytes) { return "blobs/sha256/" + Digest::of(bytes).hex(); }

  TempDir dir_;
  NoProgress quiet_;
  std::unique_ptr<FakeDriver> driver_;
  std::unique_ptr<MetadataStore> metadata_;
  SaveOptions options_;
  SaveResult result_;
};

TEST_F(Save, LayersOfSeveralImagesAreThereOnceAndNamedWhereTheyAre) {
  const auto left = add({kA, kTiny, kB}), right = add({kA, kB, kTiny});
  const auto archive = members(save({{left, {"left:1"}}, {right, {"right:1"}}}));
  size_t tars = 0, links = 0;
  for (const auto& [name, content] : archive) {
    if (!name.ends_with("/layer.tar")) continue;
    ++(content.starts_with("-> ") ? links : tars);
    if (content.starts_with("-> ../"))
      EXPECT_TRUE(archive.contains(content.substr(6))) << content;
    else
      EXPECT_TRUE(content == kA || content == kB || content == kTiny) << name;
  }
  EXPECT_EQ(tars, 3u);
  EXPECT_EQ(links, 2u);
  EXPECT_EQ(result_.layers, 3u);
  EXPECT_EQ(result_.bytes, kA.size() + kB.size() + kTiny.size());
}

TEST_F(Save, AParentIsNamedIfItComesAlong) {
  const auto parent = add({kA}), child = add({kA, kB});
  metadata_->images().set_parent(child, parent);
  const std::string member = "\"Parent\":\"" + parent.str() + "\"";
  EXPECT_THAT(members(save({{child, {}}, {parent, {}}}))["manifest.json"], HasSubstr(member));
  EXPECT_THAT(members(save({{child, {}}}))["manifest.json"], Not(HasSubstr("Parent")));
}

TEST_F(Save, AManifestWhoseBlobsCanBeMadeAgainIsKept) {
  options_.form = SaveOptions::Form::oci;
  const auto image = add({kA, kTiny});
  for (const auto& blobs : {std::vector{packed(kA), packed(kTiny)}, {kA, packed(kTiny)}, {kA, kTiny}}) {
    const std::string manifest = keep_manifest(image, blobs);
    const auto archive = members(save({{image, {"x:1"}}}));
    EXPECT_TRUE(has_blob(archive, manifest));
    for (const auto& blob : blobs) EXPECT_TRUE(has_blob(archive, blob));
    EXPECT_THAT(archive.at("index.json"), HasSubstr(Digest::of(manifest).str()));
    EXPECT_THAT(archive.at("index.json"), HasSubstr(media_type::schema2));
    EXPECT_THAT(result_.hints, IsEmpty());
    metadata_->manifests().remove(image);
  }
}

TEST_F(Save, AManifestOfOtherCompressionsIsNot) {
  options_.form = SaveOptions::Form::oci;
  const auto image = add({kA, kTiny}), other = add({kA, kB});
  const std::string manifest = keep_manifest(image, {packed(kA), packed(kTiny) + std::string(512, '\0')});
  keep_manifest(other, {packed(kA) + std::string(512, '\0'), packed(kB)});
  const auto archive = members(save({{image, {"x:1"}}, {other, {}}}));
  EXPECT_THAT(archive.at("index.json"), Not(HasSubstr(Digest::of(manifest).str())));
  EXPECT_TRUE(has_blob(archive, kA));
  ASSERT_THAT(result_.hints, SizeIs(1));
  EXPECT_THAT(result_.hints[0], HasSubstr("'x:1' and 1 more"));
  // An older one that fits will do.
  keep_manifest(image, {kA, kTiny});
  keep_manifest(image, {packed(kA), packed(kTiny) + std::string(512, '\0')});
  save({{image, {"x:1"}}});
  EXPECT_THAT(result_.hints, IsEmpty());
  // Left out, they may be in whatever bytes.
  metadata_->manifests().remove(image);
  const std::string kept = keep_manifest(image, {"whatever", "bytes"});
  options_.held.add_image(std::vector{DiffId(Digest::of(kA)), DiffId(Digest::of(kTiny))});
  const auto partial = members(save({{image, {"x:1"}}}));
  EXPECT_TRUE(has_blob(partial, kept));
  EXPECT_EQ(result_.left_out, 2u);
}

TEST_F(Save, AManifestOfAnotherImageOrADamagedOneDoesNotCount) {
  options_.form = SaveOptions::Form::oci;
  const auto image = add({kA}), other = add({kB});
  const std::string wrong = keep_manifest(other, {kA});
  metadata_->manifests().put(wrong, image);
  metadata_->manifests().put("{\"config\":{\"digest\":\"" + image.str() + "\"},\"layers\":[{\"digest\":\"sha256:1\"}]}",
                             image);
  const auto archive = members(save({{image, {}}}));
  EXPECT_THAT(archive.at("index.json"), Not(HasSubstr(Digest::of(wrong).str())));
  EXPECT_THAT(archive.at("index.json"), HasSubstr(media_type::oci_manifest));
}

TEST_F(Save, LayersOfAnotherLengthThanRecordedAreDamage) {
  const auto image = add({kA});
  const auto record = metadata_->layers().list().front();
  std::filesystem::resize_file(driver_->diff_path(record.cache_id) / "a", 3);
  try {
    save({{image, {"x:1"}}});
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::corrupt);
    EXPECT_THAT(e.what(), HasSubstr("saving image 'x:1': reading layer " + record.chain.str()));
  }
}

TEST_F(Save, LayersAreCompressedWhereNoFileIsWithoutAName) {
  options_.gzip = true;
  const auto image = add({kA, kTiny});
  const std::string whole = save({{image, {"x:1"}}});
  const bool done = test::without_nameless_files([&] { EXPECT_TRUE(save({{image, {"x:1"}}}) == whole); });
  if (!done) GTEST_SKIP() << "the kernel filters no system calls";
}

TEST_F(Save, WhereLayersCannotBeCompressedIsSaid) {
  options_.gzip = true;
  options_.scratch = (dir_ / "none").string(), options_.scratch_hint = "choose another";
  const auto image = add({kA});
  try {
    save({{image, {"x:1"}}});
    ADD_FAILURE() << "nothing was thrown";
  } catch (const Error& e) {
    const std::string label = "compressing layer " + Digest::of(kA).hex().substr(0, 12);
    EXPECT_EQ(std::string(e.what()), "saving image 'x:1': " + label + ": making a file in '" + options_.scratch +
                                         "': No such file or directory; choose another");
  }
}

// A blob of more than 8 GiB, of which only the length is made.
TEST(ArchiveFile, LayersLargerThanAnOctalFieldHolds) {
  const uint64_t size = (uint64_t{9} << 30) + 5;
  const DiffId diff(Digest::of("x"));
  SavedBlob blob{ChainId(diff.value), diff, "x", size, false, false, diff.value, size};
  const std::string name = std::string(64, 'a') + "/layer.tar";
  const std::vector<ArchiveMember> members{{name, TarType::file, 7, "", &blob},
                                           {"manifest.json", TarType::file, 0, "[]"}};
  class Measure : public ByteSink {
   public:
    void write(std::span<const char> bytes) override {
      if (head.size() < 4096) head.append(bytes.data(), std::min<size_t>(bytes.size(), 4096));
      length += bytes.size();
    }
    std::string head;
    uint64_t length = 0;
  } out;
  const auto zeros = [&](const SavedBlob&, ByteSink& to) {
    const std::string part(1 << 20, '\0');
    for (uint64_t left = size; left > 0;) {
      const size_t n = std::min<uint64_t>(left, part.size());
      to.write(std::span(part).first(n));
      left -= n;
    }
  };
  write_archive(members, zeros, {out}, 1);
  EXPECT_THAT(out.head, HasSubstr("size=" + std::to_string(size)));
  EXPECT_EQ(out.length, 3 * 512 + (size + 511) / 512 * 512 + 2 * 512 + 2 * 512);
  const auto wrong = [&](const SavedBlob&, ByteSink& to) { to.write("short"); };
  EXPECT_THROW(write_archive(members, wrong, {out}, 1), Error);
}

}  // namespace
}  // namespace cairn::test
