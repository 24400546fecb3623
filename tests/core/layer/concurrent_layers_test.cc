#include "core/layer/concurrent_layers.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <set>
#include <thread>

#include "core/archive/tar_writer.h"
#include "core/layer/kept_layer.h"
#include "core/util/error.h"
#include "drivers/overlay2/overlay2.h"
#include "drivers/vfs/vfs.h"
#include "graphdb/store.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_mount.h"

namespace cairn {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

std::string tar_with(const std::string& name, const std::string& content) {
  StringSink out;
  TarWriter tar(out);
  TarEntry entry;
  entry.name = name;
  entry.mode = 0644;
  entry.size = content.size();
  tar.begin(entry);
  tar.write(content);
  tar.finish();
  return out.text;
}

class States : public NoProgress {
 public:
  void state(const std::string& item, const std::string& state) override {
    const std::lock_guard lock(mutex_);
    seen_.insert(item + " " + state);
  }
  bool has(const std::string& line) const { return seen_.contains(line); }

 private:
  std::mutex mutex_;
  std::set<std::string> seen_;
};

class ConcurrentLayers : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "needs root: layers keep their owners";
    driver_ = is_vfs() ? open_vfs(dir_.path(), {}) : open_overlay2(dir_.path(), {});
    if (const auto status = driver_->probe(); !status.writable) GTEST_SKIP() << GetParam() << ": " << status.why_not;
    metadata_ = open_metadata(dir_.path(), GetParam());
    metadata_->prepare();
  }
  bool is_vfs() const { return std::string(GetParam()) == "vfs"; }

  LayerSource source(const std::string& tar, const std::string& label) {
    LayerSource out;
    out.open = [this, tar] {
      ++opened_;
      return read_from(tar);
    };
    out.diff = DiffId(Digest::of(tar));
    out.blob = Digest::of(tar);
    out.size_hint = tar.size();
    out.label = label;
    return out;
  }
  LayerSource failing(const std::string& tar) {
    LayerSource out = source(tar, "bad");
    out.open = []() -> std::unique_ptr<ByteSource> { throw Error(Errc::io, "fetching: the line is dead"); };
    return out;
  }
  std::vector<ArrivedLayer> arrive(std::vector<LayerSource> sources, unsigned at_once = 3) {
    LayerStore store(*driver_, *metadata_, 2, states_, guard_);
    store.recover();
    return register_concurrently(store, *driver_, metadata_->layers(), std::move(sources), at_once, states_);
  }
  std::vector<LayerRecord> run(std::vector<LayerSource> sources, unsigned at_once = 3) {
    std::vector<LayerRecord> out;
    for (auto& layer : arrive(std::move(sources), at_once)) out.push_back(std::move(layer.record));
    return out;
  }
  std::string read(const LayerId& id, const std::string& path) {
    const auto node = driver_->tree(id).find(path);
    return node ? read_all(*content_of(*node), 1 << 20) : "(absent)";
  }

  test::TempDir dir_;
  std::unique_ptr<Driver> driver_;
  std::unique_ptr<MetadataStore> metadata_;
  States states_;
  std::atomic<int> opened_{0};
  std::function<void()> guard_;
  const std::string one_ = tar_with("a", "one"), two_ = tar_with("b", std::string(5000, 'x')),
                    three_ = tar_with("a", "3");
};

TEST_P(ConcurrentLayers, AllAreThereInTheirOrder) {
  const auto records = run({source(one_, "1"), source(two_, "2"), source(three_, "3")});
  ASSERT_THAT(records, SizeIs(3));
  EXPECT_EQ(records[2].parent, records[1].chain);
  EXPECT_EQ(read(records[2].cache_id, "a"), "3");
  EXPECT_EQ(read(records[2].cache_id, "b"), std::string(5000, 'x'));
  EXPECT_TRUE(metadata_->layers().abandoned().empty());
  run({source(one_, "1"), source(two_, "2"), source(three_, "3")});
  EXPECT_EQ(opened_, 3) << "what is there is not fetched";
  EXPECT_TRUE(states_.has("2 exists"));
}

TEST_P(ConcurrentLayers, WhatWasCompleteIsKeptForTheNextTry) {
  EXPECT_THROW(run({failing(one_), source(two_, "2"), source(three_, "3")}, 1), Error);
  const int before = opened_;
  EXPECT_THAT(metadata_->layers().list(), SizeIs(0));
  run({source(one_, "1"), source(two_, "2"), source(three_, "3")});
  EXPECT_EQ(opened_, 3) << "fetched before: " << before;
  EXPECT_EQ(states_.has("2 kept"), before > 0);
  EXPECT_THAT(driver_->list(), SizeIs(3));
}

TEST_P(ConcurrentLayers, AFullDiskKeepsNothing) {
  LayerSource full = failing(one_);
  full.open = []() -> std::unique_ptr<ByteSource> { throw Error(Errc::no_space, "writing: No space left on device"); };
  EXPECT_THROW(run({full, source(two_, "2"), source(three_, "3")}, 1), Error);
  EXPECT_GT(opened_, 0);
  EXPECT_THAT(driver_->list(), SizeIs(0));
  EXPECT_TRUE(metadata_->layers().abandoned().empty());
}

TEST_P(ConcurrentLayers, WrongBytesAreNeverNamed) {
  LayerSource wrong = source(two_, "2");
  wrong.open = [this] { return read_from(three_); };
  try {
    run({source(one_, "1"), wrong});
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::corrupt);
    EXPECT_THAT(e.what(), HasSubstr("expected " + Digest::of(two_).str()));
  }
  for (const auto& layer : metadata_->layers().list()) EXPECT_EQ(layer.diff, DiffId(Digest::of(one_)));
}

TEST_P(ConcurrentLayers, TheSameLayerTwiceIsFetchedOnce) {
  const auto records = run({source(one_, "1"), source(two_, "2"), source(one_, "again")});
  EXPECT_EQ(opened_, 2);
  EXPECT_EQ(records[2].diff, records[0].diff);
  EXPECT_NE(records[2].chain, records[0].chain);
  EXPECT_EQ(read(records[2].cache_id, "a"), "one");
}

TEST_P(ConcurrentLayers, ALayerOnOtherParentsIsReadHere) {
  run({source(one_, "1"), source(two_, "2")});
  opened_ = 0;
  const auto records = run({source(three_, "3"), source(two_, "2")});
  EXPECT_EQ(opened_, 1);
  EXPECT_EQ(read(records[1].cache_id, "b"), std::string(5000, 'x'));
}

TEST_P(ConcurrentLayers, ManyAtOnceApplyEachLayerOnce) {
  std::vector<std::thread> crowd;
  for (int i = 0; i < 6; ++i)
    crowd.emplace_back([this, i] {
      const std::string own = tar_with("own", std::to_string(i));
      EXPECT_NO_THROW(run({source(one_, "1"), source(two_, "2"), source(own, "own")}));
    });
  for (auto& one : crowd) one.join();
  EXPECT_EQ(opened_, 2 + 6);
  EXPECT_THAT(metadata_->layers().list(), SizeIs(2 + 6));
  EXPECT_THAT(driver_->list(), SizeIs(2 + 6));
}

TEST_P(ConcurrentLayers, AWriterThatClaimsNothingMayBeFaster) {
  LayerSource slow = source(one_, "1");
  slow.open = [this] {
    LayerStore other(*driver_, *metadata_, 1, states_);
    LayerSource plain = source(one_, "1");
    other.register_layers(std::nullopt, {plain});
    return read_from(one_);
  };
  const auto records = run({slow, source(two_, "2")}, 2);
  ASSERT_THAT(records, SizeIs(2));
  EXPECT_EQ(read(records[1].cache_id, "a"), "one");
  EXPECT_THAT(driver_->list(), SizeIs(2)) << "what was in vain is gone";
}

TEST_P(ConcurrentLayers, AnEngineThatWasStartedMeanwhileIsAnError) {
  guard_ = [] { throw Error(Errc::in_use, "a running engine has it open"); };
  EXPECT_THROW(run({source(one_, "1"), source(two_, "2")}), Error);
  EXPECT_LE(opened_, 2) << "they are not fetched again and again";
  EXPECT_THAT(metadata_->layers().list(), SizeIs(0));
}

TEST_P(ConcurrentLayers, WhatTheyLieOnMayBeRemovedMeanwhile) {
  run({source(one_, "1")});
  LayerSource slow = source(two_, "2");
  slow.open = [this] {
    LayerStore other(*driver_, *metadata_, 1, states_);
    if (const auto base = other.find(chain_id(std::nullopt, DiffId(Digest::of(one_)))))
      other.remove_layers({*base}, other.exclusive());
    return read_from(two_);
  };
  const auto records = run({source(one_, "1"), slow});
  EXPECT_EQ(read(records[1].cache_id, "a"), "one");
  EXPECT_THAT(driver_->list(), SizeIs(2));
}

TEST_P(ConcurrentLayers, OnlyOfWhatArrivedTheBlobIsKnown) {
  const auto checked = [](const std::vector<ArrivedLayer>& layers) {
    std::vector<bool> out;
    for (const auto& layer : layers) out.push_back(layer.blob_checked);
    return out;
  };
  EXPECT_THAT(checked(arrive({source(one_, "1")})), ElementsAre(true));
  LayerSource claimed = source(one_, "1");
  claimed.blob = Digest::of("something else");
  EXPECT_THAT(checked(arrive({claimed, source(two_, "2")})), ElementsAre(false, true));
  LayerSource elsewhere = source(two_, "2");
  elsewhere.blob = claimed.blob;
  EXPECT_THAT(checked(arrive({source(three_, "3"), elsewhere})), ElementsAre(true, false));
}

class ConcurrentWholeTrees : public ConcurrentLayers {};  // each layer holds a copy of those below

TEST_P(ConcurrentWholeTrees, ADiskThatFillsWhenTheyArePutOnEachOtherKeepsNothing) {
  const test::TestMount small("tmpfs", "size=6m", dir_ / "small");
  driver_ = open_vfs(dir_ / "small", {});
  metadata_ = open_metadata(dir_ / "small", GetParam());
  metadata_->prepare();
  const std::string large = tar_with("large", std::string(2 << 20, 'x')),
                    more = tar_with("more", std::string(1 << 20, 'y'));
  try {
    run({source(large, "1"), source(more, "2"), source(one_, "3")}, 1);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::no_space) << e.what();
  }
  for (const auto& left : std::filesystem::directory_iterator(dir_ / "small/vfs/dir"))
    EXPECT_TRUE(driver_->exists(LayerId(left.path().filename().string()))) << left.path();
  EXPECT_EQ(driver_->list().size(), metadata_->layers().list().size());
  EXPECT_TRUE(metadata_->layers().abandoned().empty());
  EXPECT_TRUE(std::filesystem::is_empty(dir_ / "small/image/vfs/layerdb/tmp"));
}

INSTANTIATE_TEST_SUITE_P(, ConcurrentLayers, testing::Values("overlay2", "vfs"),
                         [](const auto& test) { return std::string(test.param); });
INSTANTIATE_TEST_SUITE_P(, ConcurrentWholeTrees, testing::Values("vfs"),
                         [](const auto& test) { return std::string(test.param); });

TEST(KeptLayer, IsReadAsItWasDescribed) {
  StagedLayer layer{DiffId(Digest::of("d")), Digest::of("b"), 77, {}, LayerId::random(), nullptr, nullptr};
  layer.applied.content_bytes = 12;
  layer.applied.implied_dirs = {"a b", std::string("\xff\n", 2), ""};
  layer.applied.links = {{"new", "old name"}, {"x", ""}};
  const auto back = read_description(describe(layer));
  ASSERT_TRUE(back);
  EXPECT_EQ(back->diff, layer.diff);
  EXPECT_EQ(back->blob_bytes, 77u);
  EXPECT_EQ(back->applied.implied_dirs, layer.applied.implied_dirs);
  ASSERT_THAT(back->applied.links, SizeIs(2));
  EXPECT_EQ(back->applied.links[0].target, "old name");
  EXPECT_EQ(back->applied.links[1].target, "");
  const std::string text = describe(layer);
  for (size_t cut = 0; cut < text.size() - 4; ++cut) EXPECT_FALSE(read_description(text.substr(0, cut))) << cut;
}

}  // namespace
}  // namespace cairn
