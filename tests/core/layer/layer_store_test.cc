#include "core/layer/layer_store.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <thread>

#include "core/archive/tar_writer.h"
#include "core/util/error.h"
#include "drivers/overlay2/overlay2.h"
#include "drivers/vfs/vfs.h"
#include "graphdb/store.h"
#include "tests/support/temp_dir.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;

TarEntry file(const std::string& name, const std::string& content) {
  TarEntry out;
  out.name = name;
  out.mode = 0644;
  out.size = content.size();
  return out;
}

struct Item {
  std::string name, content, link{};
  TarType type = TarType::file;
};

std::string tar_of(const std::vector<Item>& items) {
  StringSink out;
  TarWriter tar(out);
  for (const auto& item : items) {
    TarEntry entry = file(item.name, item.content);
    entry.type = item.type;
    entry.type_flag = static_cast<char>(item.type);
    entry.link_target = item.link;
    if (item.type == TarType::directory) entry.mode = 0755;
    tar.begin(entry);
    if (!item.content.empty()) tar.write(item.content);
  }
  tar.finish();
  return out.text;
}

class Layers : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "needs root: layers keep their owners";
    driver_ = open_driver();
    if (const auto status = driver_->probe(); !status.writable) GTEST_SKIP() << GetParam() << ": " << status.why_not;
    metadata_ = open_metadata(dir_.path(), GetParam());
    metadata_->prepare();
  }
  std::unique_ptr<Driver> open_driver() {
    return std::string(GetParam()) == "vfs" ? open_vfs(dir_.path(), {}) : open_overlay2(dir_.path(), {});
  }
  LayerStore store(std::function<void()> guard = {}) { return LayerStore(*driver_, *metadata_, 2, quiet_, guard); }
  static LayerSource source(const std::string& tar) {
    LayerSource out;
    out.open = [tar] { return read_from(tar); };
    out.size_hint = tar.size();
    out.label = "layer";
    return out;
  }
  std::string read(const LayerId& id, const std::string& path) {
    const auto node = driver_->tree(id).find(path);
    return node ? read_all(*content_of(*node), 1 << 20) : "(absent)";
  }
  std::string tar_back(const ChainId& chain) {
    StringSink out;
    store().write_tar(chain, out);
    return out.text;
  }
  // Nothing but what metadata names.
  void expect_no_leftover(size_t layers) {
    EXPECT_EQ(driver_->list().size(), layers);
    EXPECT_EQ(metadata_->layers().list().size(), layers);
    EXPECT_TRUE(fs::is_empty(dir_.path() / "image" / GetParam() / "layerdb/tmp"));
  }

  test::TempDir dir_;
  NoProgress quiet_;
  std::unique_ptr<Driver> driver_;
  std::unique_ptr<MetadataStore> metadata_;
};

TEST_P(Layers, RegisteredOnesShowTheirFilesAndGiveTheirTarBack) {
  const std::string base = tar_of({{"etc/", "", "", TarType::directory}, {"etc/a", "one"}, {"etc/b", "two"}});
  const std::string top = tar_of({{"etc/", "", "", TarType::directory}, {"etc/.wh.a", ""}, {"etc/c", "three"}});
  const auto records = store().register_layers({}, {source(base), source(top)});
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[1].chain, chain_id(records[0].chain, records[1].diff));
  EXPECT_EQ(read(records[1].cache_id, "etc/a"), "(absent)");
  EXPECT_EQ(read(records[1].cache_id, "etc/b"), "two");
  EXPECT_EQ(read(records[1].cache_id, "etc/c"), "three");
  EXPECT_EQ(tar_back(records[0].chain), base);
  EXPECT_EQ(tar_back(records[1].chain), top);
  expect_no_leftover(2);
}

TEST_P(Layers, TheSameTarTwiceIsOneLayer) {
  const std::string tar = tar_of({{"a", "x"}});
  const auto first = store().register_layers({}, {source(tar)}), second = store().register_layers({}, {source(tar)});
  EXPECT_EQ(first[0].cache_id, second[0].cache_id);
  expect_no_leftover(1);
}

TEST_P(Layers, OneBadLayerRegistersNoneAndLeavesNothing) {
  LayerSource wrong = source(tar_of({{"b", "y"}}));
  wrong.diff = DiffId(Digest::of("something else"));
  EXPECT_THROW(store().register_layers({}, {source(tar_of({{"a", "x"}})), wrong}), Error);
  EXPECT_THROW(
      store().register_layers({}, {source(tar_of({{"a", "x"}})), source("this is no tar at all, of any kind")}), Error);
  expect_no_leftover(0);
}

TEST_P(Layers, ABlobThatIsNotItsDigestIsRefused) {
  LayerSource wrong = source(tar_of({{"b", "y"}}));
  wrong.blob = Digest::of("something else");
  try {
    store().register_layers({}, {wrong});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::corrupt);
    EXPECT_THAT(e.what(), testing::HasSubstr(Digest::of("something else").str()));
  }
  expect_no_leftover(0);
}

TEST_P(Layers, AHardLinkToAParentsFileSharesItsContent) {
  const auto records =
      store().register_layers({}, {source(tar_of({{"usr/bin/tool", "program"}})),
                                   source(tar_of({{"usr/bin/alias", "", "usr/bin/tool", TarType::hard_link}}))});
  const auto tree = driver_->tree(records[1].cache_id);
  EXPECT_EQ(read(records[1].cache_id, "usr/bin/alias"), "program");
  EXPECT_EQ(tree.find("usr/bin/alias")->st().st_ino, tree.find("usr/bin/tool")->st().st_ino);
}

TEST_P(Layers, ADirectoryThatGetsAHardLinkKeepsItsTimes) {
  const auto records =
      store().register_layers({}, {source(tar_of({{"bin/tool", "program"}})),
                                   source(tar_of({{"bin/", "", "", TarType::directory},
                                                  {"sbin/", "", "", TarType::directory},
                                                  {"sbin/alias", "", "bin/tool", TarType::hard_link}}))});
  const auto tree = driver_->tree(records[1].cache_id);
  EXPECT_EQ(tree.find("bin")->st().st_mtim.tv_sec, 0);
  EXPECT_EQ(tree.find("sbin")->st().st_mtim.tv_sec, 0);
}

TEST_P(Layers, AHardLinkToAParentsFileDoesNotFollowLinksMadeLater) {
  const test::TempDir outside;
  test::write_file(outside.path() / "tool", "victim");
  const LayerSource base = source(tar_of({{"bin/tool", "program"}}));
  const LayerSource crossing = source(
      tar_of({{"alias", "", "bin/tool", TarType::hard_link}, {"bin", "", outside.path().string(), TarType::symlink}}));
  EXPECT_THROW(store().register_layers({}, {base, crossing}), Error);
  expect_no_leftover(0);
}

TEST_P(Layers, AHardLinkToNothingIsAnError) {
  EXPECT_THROW(store().register_layers({}, {source(tar_of({{"a", "", "nowhere", TarType::hard_link}}))}), Error);
  expect_no_leftover(0);
}

TEST_P(Layers, ImpliedDirectoriesKeepTheParentsMode) {
  StringSink base;
  TarWriter tar(base);
  TarEntry dir = file("var/lib/", "");
  dir.type = TarType::directory, dir.type_flag = '5', dir.mode = 01733, dir.uid = 7, dir.gid = 8;
  tar.begin(dir);
  tar.finish();
  const auto records = store().register_layers({}, {source(base.text), source(tar_of({{"var/lib/x", "y"}}))});
  const auto node = driver_->tree(records[1].cache_id).find("var/lib");
  EXPECT_EQ(node->st().st_mode & 07777, 01733u);
  EXPECT_EQ(node->st().st_uid, 7u);
  EXPECT_EQ(node->st().st_gid, 8u);
}

TEST_P(Layers, AFileAddedBehindItsBackIsNotInTheTar) {
  const std::string text = tar_of({{"a", "x"}});
  const auto records = store().register_layers({}, {source(text)});
  const auto node = *driver_->tree(records[0].cache_id).find("a");
  test::write_file("/proc/self/fd/" + std::to_string(node.source_dir()) + "/sneaked", "in");
  EXPECT_EQ(tar_back(records[0].chain), text);
}

TEST_P(Layers, SwappedTarSplitDataIsNoticed) {
  const auto one = store().register_layers({}, {source(tar_of({{"a", "x"}}))})[0];
  const auto two = store().register_layers({}, {source(tar_of({{"b", "y"}}))})[0];
  const fs::path db = dir_.path() / "image" / GetParam() / "layerdb/sha256";
  const fs::path a = db / one.chain.hex() / "tar-split.json.gz", b = db / two.chain.hex() / "tar-split.json.gz";
  fs::rename(a, dir_ / "kept"), fs::rename(b, a), fs::rename(dir_ / "kept", b);
  EXPECT_THROW(tar_back(one.chain), Error);
  EXPECT_THROW(tar_back(two.chain), Error);
}

TEST_P(Layers, AnEmptyDirectoryInTheChainsPlaceIsReplaced) {
  const std::string text = tar_of({{"a", "x"}});
  const ChainId chain = chain_id({}, DiffId(Digest::of(text)));
  fs::create_directories(dir_.path() / "image" / GetParam() / "layerdb/sha256" / chain.hex());
  LayerSource known = source(text);
  known.diff = DiffId(Digest::of(text));
  const auto records = store().register_layers({}, {known});
  EXPECT_EQ(records[0].chain, chain);
  EXPECT_EQ(read(records[0].cache_id, "a"), "x");
  expect_no_leftover(1);
}

TEST_P(Layers, AnEngineThatStartsMeanwhileStopsThePublishing) {
  auto guarded = store([] { throw Error(Errc::in_use, "an engine runs"); });
  EXPECT_THROW(guarded.register_layers({}, {source(tar_of({{"a", "x"}}))}), Error);
  expect_no_leftover(0);
}

TEST_P(Layers, WhatACrashedProcessLeftIsRemovedByTheNextWriter) {
  const auto kept = store().register_layers({}, {source(tar_of({{"a", "x"}}))})[0];
  const pid_t child = ::fork();
  if (child == 0) {
    auto own = store();
    const StagedLayer staged = own.stage(read_from(tar_of({{"half", "made"}})), {}, {}, "layer");
    ::_exit(0);  // no destructor runs
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  EXPECT_FALSE(metadata_->layers().abandoned().empty());
  store().recover();
  EXPECT_EQ(read(kept.cache_id, "a"), "x");
  expect_no_leftover(1);
}

TEST_P(Layers, RecoveringLeavesTheLayersOfALivingProcessAlone) {
  auto own = store();
  StagedLayer staged = own.stage(read_from(tar_of({{"a", "x"}})), {}, {}, "layer");
  store().recover();
  std::vector<StagedLayer> layers;
  layers.push_back(std::move(staged));
  const auto records = own.publish({}, std::move(layers));
  EXPECT_EQ(read(records[0].cache_id, "a"), "x");
}

TEST_P(Layers, TwoWritersOfOneImageBothSucceed) {
  const std::vector<std::string> tars{tar_of({{"a", "x"}}), tar_of({{"b", "y"}}), tar_of({{"c", "z"}})};
  const auto load = [&] { store().register_layers({}, {source(tars[0]), source(tars[1]), source(tars[2])}); };
  for (int round = 0; round < 5; ++round) {
    std::thread other(load);
    load();
    other.join();
  }
  expect_no_leftover(3);
}

TEST_P(Layers, AContainerIsMadeFoundAndRemoved) {
  const auto base = store().register_layers({}, {source(tar_of({{"a", "x"}}))})[0];
  const auto made = store().create_container("web", {base.chain, std::nullopt});
  EXPECT_EQ(made.name, "web");
  const auto record = metadata_->layers().find_mount("web");
  ASSERT_TRUE(record);
  EXPECT_EQ(record->mount_id, made.mount_id);
  EXPECT_EQ(record->parent, base.chain);
  EXPECT_EQ(read(made.mount_id, "a"), "x");
  EXPECT_THROW(store().create_container("web", {base.chain, std::nullopt}), Error);
  store().remove_container("web");
  EXPECT_FALSE(metadata_->layers().find_mount("web"));
  try {
    store().remove_container("web");
    ADD_FAILURE() << "removed twice";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::not_found);
  }
  expect_no_leftover(1);
}

TEST_P(Layers, RemovedOnesGoWithTheirFiles) {
  const auto records = store().register_layers({}, {source(tar_of({{"a", "x"}})), source(tar_of({{"b", "y"}}))});
  auto layers = store();
  layers.remove_layers({records[1]}, layers.exclusive());
  EXPECT_FALSE(metadata_->layers().find(records[1].chain).has_value());
  expect_no_leftover(1);
}

TEST_P(Layers, AMountedOneGoesWithALaterRecovery) {
  const auto records = store().register_layers({}, {source(tar_of({{"a", "x"}}))});
  const fs::path target = dir_.path() / "target";
  fs::create_directory(target);
  driver_->mount(records[0].cache_id, Access::read_only, target);
  auto layers = store();
  try {
    layers.remove_layers(records, layers.exclusive());
    ADD_FAILURE() << "it was removed";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::in_use) << e.what();
  }
  EXPECT_TRUE(metadata_->layers().list().empty());
  store().recover();
  EXPECT_TRUE(fs::exists(target / "a"));
  unmount(target);
  store().recover();
  expect_no_leftover(0);
}

INSTANTIATE_TEST_SUITE_P(, Layers, testing::Values("overlay2", "vfs"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace cairn
