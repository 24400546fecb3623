// Pools of every kind: loop files, block devices, somebody else's; growing, full, broken.
#include <fcntl.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <cstring>

#include "drivers/devicemapper/block_fs.h"
#include "drivers/sys/mount.h"
#include "tests/drivers/devicemapper/store.h"
#include "tests/support/tree_listing.h"

namespace cairn::devicemapper {

namespace fs = std::filesystem;

class ThinPools : public ThinStore {
 protected:
  static std::string own_pool() { return "cairn-test-pool-" + std::to_string(::getpid()); }
  const LayerId a_{"a"}, b_{"b"}, c_{"c"};
};

class OnDevices : public ThinPools, public testing::WithParamInterface<std::tuple<std::string, std::string>> {};

TEST_P(OnDevices, AStoreLivesAndComesBack) {
  const auto& [kind, type] = GetParam();
  const BlockDevice data(dir_ / "data", 2048 * kMiB), meta(dir_ / "meta", 16 * kMiB);
  Opts opts{{"dm.loopdatasize", ""}, {"dm.loopmetadatasize", ""}, {"dm.fs", type}, {"dm.basesize", "400M"}};
  std::optional<ForeignDevice> pool;
  if (kind == "pool") {
    pool.emplace(own_pool(), pool_table(2048 * kMiB, meta.node(), data.node(), 256));
    opts.emplace_back("dm.thinpooldev", "/dev/mapper/" + own_pool());
  } else {
    opts.emplace_back("dm.datadev", data.node());
    opts.emplace_back("dm.metadatadev", meta.node());
  }
  {
    const auto driver = open(opts);
    put(*driver, a_, std::nullopt, 3 * kMiB);
    put(*driver, b_, a_, kMiB);
    driver->create(c_, b_);
    // All have one UUID; xfs would refuse the second without nouuid.
    driver->mount(a_, Access::read_only, place("a"));
    driver->mount(b_, Access::read_only, place("b"));
    driver->mount(c_, Access::read_write, place("c"));
    test::write_file(place("c") / "own", "c");
    EXPECT_EQ(test::read_file(place("a") / "own"), "a");
    EXPECT_EQ(test::read_file(place("b") / "own"), "b");
    EXPECT_EQ(test::listing_of_directory(place("a")), test::listing_of(driver->tree(a_)));
    for (const char* name : {"a", "b", "c"}) unmount(place(name));
    driver->remove(b_);
  }
  EXPECT_FALSE(fs::exists(home() / "devicemapper/data"));
  EXPECT_EQ(metadata().device_set()->base_file_system, type);
  EXPECT_EQ(left_behind(), std::vector<std::string>());
  EXPECT_EQ(DeviceMapper::info(own_pool()).has_value(), kind == "pool") << "it is not ours to remove";
  auto driver = open(opts);
  EXPECT_EQ(own(*driver, a_), "a");
  EXPECT_EQ(own(*driver, c_), "c");
  EXPECT_FALSE(driver->exists(b_));
  driver->remove(a_);
  driver->remove(c_);
  driver.reset();
  EXPECT_REFUSED(open({{"dm.loopdatasize", ""}})->create(a_, std::nullopt), Errc::not_found, "dm.thinpooldev");
}

INSTANTIATE_TEST_SUITE_P(, OnDevices,
                         testing::Combine(testing::Values("pool", "devices"), testing::Values("ext4", "xfs")),
                         [](const auto& test) { return std::get<0>(test.param) + "_" + std::get<1>(test.param); });

// On a machine whose volume group has one to spare: CAIRN_THIN_POOL=/dev/mapper/GROUP-POOL, which is empty and stays
// so.
TEST_F(ThinPools, OfLvmAreUsedAsTheEnginesManualSays) {
  const char* lvm = std::getenv("CAIRN_THIN_POOL");
  if (lvm == nullptr) GTEST_SKIP() << "CAIRN_THIN_POOL names no thin pool of LVM";
  const Opts opts{
      {"dm.loopdatasize", ""}, {"dm.loopmetadatasize", ""}, {"dm.thinpooldev", lvm}, {"dm.basesize", "400M"}};
  put(*open(opts), a_, std::nullopt, 3 * kMiB);
  put(*open(opts), b_, a_, kMiB);
  const auto driver = open(opts);
  driver->remove(a_);
  EXPECT_EQ(own(*driver, b_), "b");
  driver->remove(b_);
  EXPECT_EQ(left_behind(), std::vector<std::string>());
  DeviceMapper::message(fs::path(lvm).filename(), "delete " + std::to_string(metadata().device("")->device_id));
}

TEST_F(ThinPools, OfOthersAreTakenOnlyWhenEmpty) {
  const BlockDevice data(dir_ / "data", 512 * kMiB), meta(dir_ / "meta", 16 * kMiB);
  const ForeignDevice pool(own_pool(), pool_table(512 * kMiB, meta.node(), data.node(), 128));
  DeviceMapper::message(pool.name(), "create_thin 77");
  {
    const ForeignDevice theirs("cairn-test-theirs", thin_table(64 * kMiB, DeviceMapper::node(pool.name()), 77));
    const Fd fd = open_at(AT_FDCWD, DeviceMapper::node(theirs.name()), O_WRONLY | O_SYNC);
    write_all(fd.get(), std::string("theirs"));
  }
  const auto driver = open({{"dm.thinpooldev", pool.name()}});
  EXPECT_REFUSED(driver->create(a_, std::nullopt), Errc::invalid, "unused pool");
  const ForeignDevice theirs("cairn-test-theirs", thin_table(64 * kMiB, DeviceMapper::node(pool.name()), 77));
  EXPECT_EQ(read_file_at(AT_FDCWD, DeviceMapper::node(theirs.name()), 64 * kMiB).substr(0, 6), "theirs");
}

TEST_F(ThinPools, AreNotMadeOnDevicesThatHoldSomethingElse) {
  const BlockDevice data(dir_ / "data", 512 * kMiB), meta(dir_ / "meta", 16 * kMiB);
  const auto attempt = [&] {
    open({{"dm.datadev", data.node()}, {"dm.metadatadev", meta.node()}})->create(a_, std::nullopt);
  };
  make_file_system("ext4", data.node(), "");
  EXPECT_REFUSED(attempt(), Errc::invalid, data.node());
  EXPECT_TRUE(probe_file_system(data.node()));
  make_file_system("ext4", meta.node(), "");
  EXPECT_REFUSED(attempt(), Errc::invalid, meta.node());
  EXPECT_TRUE(probe_file_system(meta.node()));
}

TEST_F(ThinPools, KeepTheirBlockSizeWhateverIsAskedLater) {
  open({{"dm.blocksize", "256K"}})->create(a_, std::nullopt);
  const auto driver = open();
  driver->create(b_, a_);
  EXPECT_EQ(parse_pool_table(DeviceMapper::table(pool())).block_bytes, 256u << 10);
}

TEST_F(ThinPools, OnLoopFilesGrowAndDoNotShrink) {
  const auto sizes = [&] {
    return std::pair(fs::file_size(home() / "devicemapper/data"), fs::file_size(home() / "devicemapper/metadata"));
  };
  put(*open(), a_, std::nullopt);
  open({{"dm.loopdatasize", "512M"}, {"dm.loopmetadatasize", "8M"}})->create(b_, a_);
  EXPECT_EQ(sizes(), std::pair(1024 * kMiB, 16 * kMiB));
  const auto driver = open({{"dm.loopdatasize", "2G"}, {"dm.loopmetadatasize", "32M"}});
  EXPECT_EQ(own(*driver, a_), "a");
  EXPECT_EQ(sizes(), std::pair(1024 * kMiB, 16 * kMiB)) << "reading changes nothing";
  driver->mount(a_, Access::read_only, place("in use"));
  driver->create(c_, a_);
  unmount(place("in use"));
  EXPECT_EQ(sizes(), std::pair(2048 * kMiB, 32 * kMiB));
  EXPECT_EQ(status().total_data, 2048 * kMiB / 65536);
  EXPECT_EQ(own(*driver, c_), "a");
}

class BaseDevices : public ThinPools, public testing::WithParamInterface<std::string> {};

TEST_P(BaseDevices, GrowWithTheirFileSystemAndDoNotShrink) {
  const auto size_of = [](const fs::path& mounted) { return fs::space(mounted).capacity; };
  const Opts fs_type{{"dm.fs", GetParam()}, {"dm.loopdatasize", "2G"}};
  const auto with = [&](const std::string& size) {
    Opts out = fs_type;
    out.emplace_back("dm.basesize", size);
    return open(out);
  };
  put(*with("400M"), a_, std::nullopt);
  const auto uuid = metadata().device_set()->base_uuid;
  EXPECT_REFUSED(with("300M")->create(c_, std::nullopt), Errc::invalid, "dm.basesize");
  const auto driver = with("800M");
  driver->create(b_, std::nullopt);
  EXPECT_EQ(metadata().device("")->size, static_cast<int64_t>(800 * kMiB));
  EXPECT_EQ(metadata().device("b")->size, static_cast<int64_t>(800 * kMiB));
  EXPECT_EQ(metadata().device("a")->size, static_cast<int64_t>(400 * kMiB));
  EXPECT_EQ(metadata().device_set()->base_uuid, uuid);
  driver->mount(b_, Access::read_write, place("b"));
  EXPECT_GT(size_of(place("b")), 650 * kMiB);
  unmount(place("b"));
  EXPECT_EQ(own(*driver, a_), "a");
  // A crash after the record was written: the file system is found to be smaller, and grows then.
  auto base = *metadata().device("");
  base.size = static_cast<int64_t>(1200 * kMiB);
  metadata().put("", base);
  const auto later = with("1200M");
  later->create(c_, std::nullopt);
  later->mount(c_, Access::read_write, place("c"));
  EXPECT_GT(size_of(place("c")), 1000 * kMiB);
  unmount(place("c"));
}
INSTANTIATE_TEST_SUITE_P(, BaseDevices, testing::Values("ext4", "xfs"), [](const auto& test) { return test.param; });

TEST_F(ThinPools, ThatAreTooSmallForALayerSayNoAndStayWhole) {
  const Opts small{{"dm.loopdatasize", "128M"}, {"dm.basesize", "256M"}, {"dm.min_free_space", "0%"}};
  {
    const auto driver = open(small);
    put(*driver, a_, std::nullopt, 8 * kMiB);
    for (const size_t bytes : {70 * kMiB, 90 * kMiB, 150 * kMiB}) {
      EXPECT_REFUSED(put(*driver, b_, a_, bytes), Errc::no_space, "remove images");
      EXPECT_FALSE(driver->exists(b_));
      EXPECT_EQ(own(*driver, a_), "a");
    }
    EXPECT_EQ(driver->list(), std::vector{a_});
    put(*driver, b_, a_, 20 * kMiB);
    put(*driver, c_, b_, 20 * kMiB);
    const uint64_t used = status().used_data;
    driver->remove(b_);
    driver->remove(c_);
    EXPECT_LT(status().used_data + 300, used) << "a removal gives space back";
    put(*driver, c_, a_, 30 * kMiB);
  }
  EXPECT_EQ(own(*open(small), c_), "c");
  EXPECT_EQ(left_behind(), std::vector<std::string>());
  expect_pool_and_files_agree();
}

TEST_F(ThinPools, ThatAContainerFilledAreReadAndEmptied) {
  const auto driver = open({{"dm.loopdatasize", "128M"}, {"dm.basesize", "256M"}});
  put(*driver, a_, std::nullopt, kMiB);
  driver->create(b_, a_);
  driver->mount(b_, Access::read_write, place("b"));
  {
    const Fd file = open_at(AT_FDCWD, place("b") / "much", O_WRONLY | O_CREAT, 0600);
    const std::string block(kMiB, 'x');
    error_of([&] {  // EIO or ENOSPC, as the kernel likes, but at once
      for (int i = 0; i < 160; ++i) write_all(file.get(), block);
      fsync_fd(file.get(), "much");
    });
  }
  EXPECT_TRUE(status().out_of_data_space);
  EXPECT_REFUSED(driver->create(c_, a_), Errc::no_space, "the pool is full");
  EXPECT_FALSE(metadata().device("c"));
  EXPECT_EQ(own(*driver, a_), "a");
  unmount(place("b"));
  driver->remove(b_);
  EXPECT_FALSE(status().out_of_data_space);
  driver->create(c_, a_);
  EXPECT_EQ(own(*driver, c_), "a");
}

TEST_F(ThinPools, KeepTenPerCentFree) {
  const Opts tight{{"dm.loopdatasize", "128M"}, {"dm.min_free_space", ""}};
  const auto driver = open(tight);
  put(*driver, a_, std::nullopt, 16 * kMiB);
  driver->create(b_, a_);
  driver->mount(b_, Access::read_write, place("b"));
  const uint64_t left = status().free_data() * 65536;
  test::write_file(place("b") / "most", std::string(left - 6 * kMiB, 'x'));
  unmount(place("b"));
  EXPECT_REFUSED(driver->create(c_, a_), Errc::no_space, "less than 10 %");
  EXPECT_EQ(own(*driver, a_), "a");
  driver->remove(b_);
  driver->create(c_, a_);
}

TEST_F(ThinPools, WithoutMetadataSpaceSayNoAndStayReadable) {
  const Opts tiny{{"dm.loopmetadatasize", "512K"}, {"dm.min_free_space", "0%"}};
  const auto driver = open(tiny);
  put(*driver, a_, std::nullopt);
  EXPECT_REFUSED(
      {
        for (int i = 0; i < 1000; ++i) driver->create(LayerId("n" + std::to_string(i)), std::nullopt);
      },
      Errc::no_space, "metadata space");
  const auto last = metadata().list().size();
  EXPECT_GT(last, 10u);
  EXPECT_EQ(own(*driver, a_), "a");
  EXPECT_REFUSED(driver->create(b_, a_), Errc::no_space, "metadata space");
  EXPECT_EQ(metadata().list().size(), last);
}

TEST_F(ThinPools, ThatAreReadOnlyAreOnlyRead) {
  const BlockDevice data(dir_ / "data", 512 * kMiB), meta(dir_ / "meta", 16 * kMiB);
  auto table = pool_table(512 * kMiB, meta.node(), data.node(), 128);
  const Opts opts{{"dm.thinpooldev", own_pool()}};
  {
    const ForeignDevice pool(own_pool(), table);
    put(*open(opts), a_, std::nullopt);
  }
  table.parameters += " read_only";
  table.parameters.replace(table.parameters.find(" 2 "), 3, " 3 ");
  const ForeignDevice pool(own_pool(), table);
  const auto driver = open(opts);
  const auto files = test::read_file(home() / "metadata/transaction-metadata");
  EXPECT_EQ(own(*driver, a_), "a");
  EXPECT_REFUSED(driver->create(b_, a_), Errc::corrupt, "lvconvert --repair");
  EXPECT_REFUSED(driver->remove(a_), Errc::corrupt, "thin_check");
  EXPECT_EQ(test::read_file(home() / "metadata/transaction-metadata"), files);
  EXPECT_EQ(own(*driver, a_), "a");
}

// As the kernel marks metadata that it could not write.
static void mark_as_damaged(const fs::path& metadata) {
  constexpr uint32_t kXor = 160774, kPolynomial = 0x82f63b78;
  const Fd fd = open_at(AT_FDCWD, metadata, O_RDWR);
  std::array<char, 4096> block{};
  ASSERT_EQ(read_full(fd.get(), block), block.size());
  block[4] |= 1;
  uint32_t crc = ~0u;
  for (size_t i = 4; i < block.size(); ++i) {
    crc ^= static_cast<unsigned char>(block[i]);
    for (int bit = 0; bit < 8; ++bit) crc = (crc & 1) != 0 ? crc >> 1 ^ kPolynomial : crc >> 1;
  }
  crc ^= kXor;
  std::memcpy(block.data(), &crc, sizeof crc);
  ASSERT_EQ(::pwrite(fd.get(), block.data(), block.size(), 0), static_cast<ssize_t>(block.size()));
}

TEST_F(ThinPools, ThatNeedACheckAreOnlyRead) {
  put(*open(), a_, std::nullopt);
  ASSERT_EQ(left_behind(), std::vector<std::string>());
  mark_as_damaged(home() / "devicemapper/metadata");
  const auto driver = open();
  EXPECT_EQ(own(*driver, a_), "a");
  EXPECT_REFUSED(driver->create(b_, a_), Errc::corrupt, "needs_check");
  EXPECT_REFUSED(driver->remove(a_), Errc::corrupt, "thin_check");
  EXPECT_EQ(metadata().list(), std::vector<std::string>{"a"});
}

// A metadata device that fails in the middle of a transaction.
TEST_F(ThinPools, ThatFailForgetNothing) {
  const BlockDevice data(dir_ / "data", 512 * kMiB), meta(dir_ / "meta", 16 * kMiB);
  const DmTarget good{0, 16 * kMiB / kSector, "linear", meta.node() + " 0"}, bad{0, good.sectors, "error", ""};
  const ForeignDevice flaky("cairn-test-flaky", good);
  const auto table = pool_table(512 * kMiB, DeviceMapper::node(flaky.name()), data.node(), 128);
  const Opts opts{{"dm.thinpooldev", own_pool()}};
  {
    const ForeignDevice pool(own_pool(), table);
    auto driver = open(opts);
    put(*driver, a_, std::nullopt);
    DeviceMapper::reload(flaky.name(), {bad});
    DeviceMapper::suspend(flaky.name());
    DeviceMapper::resume(flaky.name());
    error_of([&] { driver->create(b_, a_); });
    driver = open(opts);
    EXPECT_REFUSED(driver->create(b_, a_), Errc::corrupt, "thin_check");
    EXPECT_REFUSED(driver->remove(a_), Errc::corrupt, "thin_check");
    EXPECT_TRUE(metadata().device("a"));
  }
  DeviceMapper::reload(flaky.name(), {good});
  DeviceMapper::suspend(flaky.name());
  DeviceMapper::resume(flaky.name());
  const ForeignDevice pool(own_pool(), table);
  const auto driver = open(opts);
  EXPECT_EQ(own(*driver, a_), "a");
  driver->create(b_, a_);
  EXPECT_EQ(own(*driver, b_), "a");
}

}  // namespace cairn::devicemapper
