#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <thread>

#include "core/image/manifest.h"
#include "graphdb/store.h"
#include "tests/support/temp_dir.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;
using testing::IsEmpty;

class KeptManifests : public testing::Test {
 protected:
  void SetUp() override { store_->prepare(); }
  static std::string manifest(const std::string& type) {
    return R"({"schemaVersion":2,"config":{"mediaType":")" + type + R"(","size":1,"digest":"sha256:)" +
           std::string(64, 'a') + "\"}}";
  }
  fs::path file(const Digest& digest) const {
    return dir_.path() / "image/overlay2/distribution/manifests/sha256" / digest.hex();
  }
  test::TempDir dir_;
  std::unique_ptr<MetadataStore> store_ = open_metadata(dir_.path(), "overlay2");
  const ImageId image_{Digest::of("image")};
};

TEST_F(KeptManifests, NewestLastAndEachOnce) {
  const Digest a = store_->manifests().put(manifest("a"), image_), b = store_->manifests().put(manifest("b"), image_);
  EXPECT_THAT(store_->manifests().of(image_), ElementsAre(a, b));
  store_->manifests().put(manifest("a"), image_);
  EXPECT_THAT(store_->manifests().of(image_), ElementsAre(b, a));
  EXPECT_EQ(store_->manifests().find(a), manifest("a"));
  EXPECT_EQ(a, Digest::of(manifest("a")));
}

TEST_F(KeptManifests, DamageCountsAsAbsence) {
  const Digest digest = store_->manifests().put(manifest("a"), image_);
  std::ofstream(file(digest)) << manifest("b");
  EXPECT_FALSE(store_->manifests().find(digest));
  std::ofstream(file(digest)) << "";
  EXPECT_FALSE(store_->manifests().find(digest));
  store_->manifests().put(manifest("a"), image_);
  EXPECT_EQ(store_->manifests().find(digest), manifest("a")) << "kept again";
}

TEST_F(KeptManifests, GoWithTheirImage) {
  const Digest index = store_->manifests().put(R"({"manifests":[]})", std::nullopt);
  const Digest own = store_->manifests().put(manifest("a"), image_);
  store_->manifests().remove(image_);
  EXPECT_FALSE(store_->manifests().find(own));
  EXPECT_THAT(store_->manifests().of(image_), IsEmpty());
  EXPECT_TRUE(store_->manifests().find(index));
  store_->manifests().remove(index);
  store_->manifests().remove(index);
  EXPECT_FALSE(store_->manifests().find(index));
}

TEST_F(KeptManifests, ReadAsEmptyWithoutAStore) {
  const auto none = open_metadata(dir_.path() / "none", "overlay2");
  EXPECT_FALSE(none->manifests().find(Digest::of("x")));
  EXPECT_THAT(none->manifests().of(image_), IsEmpty());
}

class Claims : public testing::Test {
 protected:
  void SetUp() override { store_->prepare(); }
  LayerMetadata& layers() { return store_->layers(); }
  test::TempDir dir_;
  std::unique_ptr<MetadataStore> store_ = open_metadata(dir_.path(), "overlay2");
  const ChainId chain_{Digest::of("chain")};
};

TEST_F(Claims, OneAtATime) {
  auto mine = layers().claim(chain_);
  ASSERT_TRUE(mine);
  EXPECT_FALSE(layers().claim(chain_));
  EXPECT_TRUE(layers().claim(ChainId(Digest::of("other"))));
  mine.reset();
  EXPECT_TRUE(layers().claim(chain_));
}

TEST_F(Claims, WhatWasKeptIsHandedOn) {
  const LayerId id = LayerId::random();
  {
    auto mine = layers().claim(chain_);
    mine->transaction->restart({id});
    mine->transaction->tar_split().write(std::string("split"));
    mine->transaction->keep("all of it");
  }
  EXPECT_THAT(layers().abandoned(), IsEmpty()) << "nobody may clear it away";
  {
    const auto next = layers().claim(chain_);
    EXPECT_EQ(next->kept, "all of it");
    EXPECT_THAT(next->left, ElementsAre(id));
  }
  {
    const auto next = layers().claim(chain_);
    EXPECT_EQ(next->kept, "all of it") << "nobody has cleared away what it tells of";
    next->transaction->keep_no_more();
  }
  EXPECT_FALSE(layers().claim(chain_)->kept);
  EXPECT_THAT(layers().claim(chain_)->left, IsEmpty());
}

TEST_F(Claims, WhatADeadProcessLeftIsNotForgottenWithTheClaim) {
  const LayerId id = LayerId::random();
  {
    auto mine = layers().claim(chain_);
    mine->transaction->restart({id});
    mine->transaction->keep("x");
  }
  { const auto interrupted_before_it_cleared_anything = layers().claim(chain_); }
  EXPECT_THAT(layers().claim(chain_)->left, ElementsAre(id));
}

TEST_F(Claims, AreMadeAndRemovedByManyAtOnce) {
  std::vector<std::thread> crowd;
  for (int i = 0; i < 4; ++i)
    crowd.emplace_back([this] {
      for (int round = 0; round < 300; ++round) EXPECT_NO_THROW(layers().claim(chain_));
    });
  for (auto& one : crowd) one.join();
  EXPECT_THAT(layers().abandoned(), IsEmpty());
}

TEST_F(Claims, AfterARestartOfTheMachineNothingIsKept) {
  const LayerId id = LayerId::random();
  {
    auto mine = layers().claim(chain_);
    mine->transaction->restart({id});
    mine->transaction->keep("x");
  }
  const fs::path kept = dir_.path() / "image/overlay2/layerdb/tmp" / ("write-set-cairn-" + chain_.hex()) / "kept";
  ASSERT_TRUE(fs::exists(kept));
  std::ofstream(kept) << "another-boot\nx";
  const auto traces = layers().abandoned();
  ASSERT_EQ(traces.size(), 1u);
  EXPECT_THAT(traces[0].driver_ids, ElementsAre(id));
  EXPECT_FALSE(layers().claim(chain_)) << "not while somebody is about to clear it";
}

TEST_F(Claims, ADayIsEnough) {
  {
    auto mine = layers().claim(chain_);
    mine->transaction->restart({LayerId::random()});
    mine->transaction->keep("x");
  }
  const fs::path kept = dir_.path() / "image/overlay2/layerdb/tmp" / ("write-set-cairn-" + chain_.hex()) / "kept";
  fs::last_write_time(kept, fs::last_write_time(kept) - std::chrono::hours(25));
  EXPECT_FALSE(layers().claim(chain_)->kept);
}

}  // namespace
}  // namespace cairn
