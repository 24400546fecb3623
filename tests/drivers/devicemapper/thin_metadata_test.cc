// Reading a pool's metadata: right answers where it is whole, one error where it is not.
#include "drivers/devicemapper/thin_metadata.h"

#include <gmock/gmock.h>

#include <random>

#include "core/util/error.h"
#include "tests/drivers/devicemapper/made_pool.h"
#include "tests/support/temp_dir.h"

namespace cairn::devicemapper {
namespace {

using Mappings = MadePool::Mappings;

class ThinMetadataFile : public testing::Test {
 protected:
  void make(MadePool& pool) {
    try {
      pool.write_metadata(file());
    } catch (const Error& e) {
      GTEST_SKIP() << e.what();
    }
  }
  std::string file() const { return dir_ / "metadata"; }
  // Device 1 has one level of mappings, device 2 has two; sometimes in a row, sometimes not.
  void make_small() {
    MadePool pool;
    std::mt19937_64 random(7);
    for (const auto& [id, count] : {std::pair<uint64_t, int>{1, 40}, {2, 1500}, {3, 0}, {9, 5}})
      for (uint64_t at = random() % 9, data = id * 10000; pool.devices()[id].size() < static_cast<size_t>(count);
           at += random() % 3 + 1)
        pool.devices()[id][at] = data += random() % 2 + 1;
    small_ = pool.devices();
    make(pool);
    if (std::filesystem::exists(file())) std::filesystem::resize_file(file(), kSmall * MetadataFile::kBlock);
  }
  Mappings read(uint64_t id) const { return read_from(file(), id); }
  static Mappings read_from(const std::string& file, uint64_t id) {
    const Fd fd = open_at(AT_FDCWD, file, O_RDONLY);
    Mappings out;
    uint64_t next = 0;
    ThinMetadata(fd).each_run(id, [&](const ThinRun& run) {
      EXPECT_GE(run.at, next);
      EXPECT_GT(run.blocks, 0u);
      next = run.at + run.blocks;
      for (uint64_t i = 0; i < run.blocks; ++i) out[run.at + i] = run.data + i;
    });
    return out;
  }
  std::string refusal(uint64_t id) const {
    try {
      read(id);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::corrupt) << e.what();
      return e.what();
    }
    return "nothing was thrown";
  }

  static constexpr uint64_t kSmall = 64;  // blocks; the rest is empty
  test::TempDir dir_;
  std::map<uint64_t, Mappings> small_;
};

class RandomPools : public ThinMetadataFile, public testing::WithParamInterface<std::tuple<int, int, uint64_t>> {};

TEST_P(RandomPools, AreReadAsTheyWereMade) {
  const auto& [devices, mappings, block_bytes] = GetParam();
  MadePool pool(block_bytes);
  std::mt19937_64 random(static_cast<uint64_t>(devices * mappings));
  for (int i = 0; i < devices; ++i) {
    Mappings& made = pool.devices()[random() % 0xffffff];
    const auto count = static_cast<size_t>(mappings) - random() % (static_cast<size_t>(mappings) / 2);
    for (uint64_t at = random() % 100; made.size() < count; at += random() % 8 == 0 ? random() % 50 + 1 : 1)
      made[at] = random() % 4 == 0 ? random() % (1 << 20) : at + 1;
  }
  ASSERT_NO_FATAL_FAILURE(make(pool));
  if (IsSkipped()) return;
  const Fd fd = open_at(AT_FDCWD, file(), O_RDONLY);
  const ThinMetadata metadata(fd);
  EXPECT_EQ(metadata.block_bytes(), block_bytes);
  EXPECT_EQ(metadata.transaction_id(), 7u);
  EXPECT_FALSE(metadata.needs_check());
  for (const auto& [id, made] : pool.devices()) {
    EXPECT_EQ(read(id), made) << id;
    const auto device = metadata.device(id);
    ASSERT_TRUE(device) << id;
    EXPECT_EQ(device->mapped_blocks, made.size());
    EXPECT_EQ(device->transaction_id, id % 7);
    EXPECT_EQ(device->creation_time, id % 3);
    EXPECT_EQ(device->snapshot_time, id % 4);
    EXPECT_EQ(metadata.data_block(id, made.begin()->first), made.begin()->second);
    EXPECT_EQ(metadata.data_block(id, made.rbegin()->first + 1), std::nullopt);
    EXPECT_EQ(metadata.device(id + 1).has_value(), pool.devices().contains(id + 1));
  }
  EXPECT_EQ(read(0xffffff), Mappings());
}

INSTANTIATE_TEST_SUITE_P(, RandomPools,
                         testing::Values(std::tuple(1, 70000, 64 << 10),  // three levels of mappings
                                         std::tuple(400, 30, 128 << 10),  // several of devices
                                         std::tuple(60, 900, 1 << 20), std::tuple(3, 500, 4 << 10)));

TEST_F(ThinMetadataFile, AFlippedByteIsNoticedOrMeansNothing) {
  ASSERT_NO_FATAL_FAILURE(make_small());
  if (IsSkipped()) return;
  const MetadataFile whole(file());
  auto in_use = whole.nodes();
  ASSERT_GT(in_use.size(), 10u);
  in_use.push_back(0);
  std::mt19937_64 random(1);
  int noticed = 0;
  for (int i = 0; i < 600; ++i) {
    MetadataFile damaged = whole;
    const size_t at = in_use[random() % in_use.size()] * MetadataFile::kBlock + random() % MetadataFile::kBlock;
    damaged.bytes[at] = static_cast<char>(damaged.bytes[at] ^ (1 << random() % 8));
    damaged.write(file());
    for (const auto& [id, made] : small_) {
      try {
        EXPECT_EQ(read(id), made) << "byte " << at;
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), Errc::corrupt) << e.what();
        ++noticed;
      }
    }
  }
  EXPECT_GT(noticed, 100);
}

// Whoever makes an image on purpose gets its checksums right. What is read then may be anything, but it ends.
TEST_F(ThinMetadataFile, ForgedBlocksDoNoHarm) {
  ASSERT_NO_FATAL_FAILURE(make_small());
  if (IsSkipped()) return;
  const MetadataFile whole(file());
  auto in_use = whole.nodes();
  in_use.push_back(0);
  std::mt19937_64 random(2);
  for (int i = 0; i < 600; ++i) {
    MetadataFile forged = whole;
    for (int changes = 0; changes < 3; ++changes) {
      const uint64_t block = in_use[random() % in_use.size()];
      const size_t at = random() % 2 ? random() % 64 + 4 : random() % 4088 + 4;
      if (random() % 2)
        forged.put(block * MetadataFile::kBlock + at, in_use[random() % in_use.size()]);
      else
        forged.put(block * MetadataFile::kBlock + at, random(), 1);
      forged.seal(block);
    }
    forged.write(file());
    for (const auto& [id, made] : small_) {
      try {
        EXPECT_LE(read(id).size(), forged.bytes.size() / 16);
        const Fd fd = open_at(AT_FDCWD, file(), O_RDONLY);
        ThinMetadata(fd).device(id);
      } catch (const Error& e) {
        EXPECT_TRUE(e.code() == Errc::corrupt || e.code() == Errc::unsupported) << e.what();
      }
    }
  }
}

TEST_F(ThinMetadataFile, DamageIsThatOfTheDevicesItConcerns) {
  ASSERT_NO_FATAL_FAILURE(make_small());
  if (IsSkipped()) return;
  MetadataFile damaged(file());
  damaged.bytes[damaged.root_of(2) * MetadataFile::kBlock + 2000] ^= 1;
  damaged.write(file());
  EXPECT_THAT(refusal(2), testing::HasSubstr("has a wrong checksum"));
  for (const uint64_t id : {1, 3, 9}) EXPECT_EQ(read(id), small_[id]);
}

TEST_F(ThinMetadataFile, TreesThatLeadBackAreLeft) {
  ASSERT_NO_FATAL_FAILURE(make_small());
  if (IsSkipped()) return;
  const MetadataFile whole(file());
  const uint64_t root = whole.root_of(2);
  ASSERT_EQ(whole.number(root * MetadataFile::kBlock + 4, 4), 1u) << "device 2 has but one level";
  const auto try_child = [&](size_t entries, size_t i, uint64_t child) {
    MetadataFile forged = whole;
    if (entries > 0) forged.put(root * MetadataFile::kBlock + 16, entries, 4);
    forged.put(forged.value(root, i), child);
    forged.seal(root);
    forged.write(file());
    return refusal(2);
  };
  EXPECT_THAT(try_child(1, 0, root), testing::HasSubstr("leads back into itself"));
  EXPECT_THAT(try_child(0, 1, root), testing::HasSubstr("has keys out of order"));
  EXPECT_THAT(try_child(0, 1, whole.number(whole.value(root, 0))), testing::HasSubstr("has keys out of order"));
  EXPECT_THAT(try_child(0, 1, whole.root_of_details()), testing::HasSubstr("is a node of another tree"));
  EXPECT_THAT(try_child(0, 1, 0), testing::HasSubstr("has a wrong checksum"));
  EXPECT_THAT(try_child(0, 1, uint64_t{1} << 60), testing::HasSubstr("it has only 64"));
}

TEST_F(ThinMetadataFile, TruncatedFilesGiveWhatTheyHave) {
  ASSERT_NO_FATAL_FAILURE(make_small());
  if (IsSkipped()) return;
  const auto last = MetadataFile(file()).nodes().back();
  int whole = 0, cut = 0;
  for (uint64_t blocks = last + 1; blocks-- > 0;) {
    std::filesystem::resize_file(file(), blocks * MetadataFile::kBlock + 100);
    for (const auto& [id, made] : small_) {
      try {
        EXPECT_EQ(read(id), made);
        ++whole;
      } catch (const Error& e) {
        EXPECT_EQ(e.code(), Errc::corrupt) << e.what();
        ++cut;
      }
    }
  }
  EXPECT_GT(cut, static_cast<int>(last));
  EXPECT_GT(whole, 0);
}

TEST_F(ThinMetadataFile, APoolMarkedAsDamagedIsReadAsFarAsItGoes) {
  ASSERT_NO_FATAL_FAILURE(make_small());
  if (IsSkipped()) return;
  MetadataFile marked(file());
  marked.put(4, 1, 4);
  marked.seal(0);
  marked.write(file());
  const Fd fd = open_at(AT_FDCWD, file(), O_RDONLY);
  EXPECT_TRUE(ThinMetadata(fd).needs_check());
  EXPECT_EQ(read(2), small_[2]);
}

TEST_F(ThinMetadataFile, WhatIsNoneSaysSo) {
  test::write_file(file(), "");
  EXPECT_THAT(refusal(1), testing::HasSubstr("it has only 0"));
  test::write_file(file(), std::string(8192, '\0'));
  EXPECT_THAT(refusal(1), testing::HasSubstr("block 0 of the pool's metadata has a wrong checksum"));
  MetadataFile empty(file());
  empty.seal(0);
  empty.write(file());
  EXPECT_THAT(refusal(1), testing::HasSubstr("is no superblock"));
}

}  // namespace
}  // namespace cairn::devicemapper
