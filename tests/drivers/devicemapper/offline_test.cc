// A store read without the kernel's device-mapper: what dm.offline asks for, and what a kernel without it makes of any.
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <random>

#include "core/archive/stream.h"
#include "drivers/devicemapper/block_fs.h"
#include "drivers/sys/mount.h"
#include "tests/drivers/devicemapper/made_pool.h"
#include "tests/drivers/devicemapper/store.h"
#include "tests/support/leftover_mounts.h"
#include "tests/support/loop_file_system.h"
#include "tests/support/open_elsewhere.h"
#include "tests/support/tree_listing.h"

namespace cairn::devicemapper {
namespace {

namespace fs = std::filesystem;
using Opts = std::vector<std::pair<std::string, std::string>>;

class Offline : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "loop devices and mounts need root";
    if (!fs::exists("/dev/loop-control")) GTEST_SKIP() << "there are no loop devices here";
    if (const char* value = std::getenv("TMPDIR")) before_ = value;
    fs::create_directory(dir_ / "tmp");
    images_at(dir_ / "tmp");
    fs::create_directories(home() / "devicemapper");
    fs::create_directory(home() / "metadata");
  }
  void TearDown() override {
    test::unmount_leftovers(dir_.path());
    if (before_)
      ::setenv("TMPDIR", before_->c_str(), 1);
    else
      ::unsetenv("TMPDIR");
  }
  static void images_at(const fs::path& place) { ::setenv("TMPDIR", place.c_str(), 1); }

  fs::path root() const { return dir_ / "root"; }
  fs::path home() const { return root() / "devicemapper"; }
  fs::path data() const { return home() / "devicemapper/data"; }
  fs::path pool_metadata() const { return home() / "devicemapper/metadata"; }
  std::unique_ptr<Driver> open(Opts opts = {}) const {
    opts.emplace_back("dm.offline", "true");
    return open_devicemapper(root(), {opts});
  }

  using Fill = std::function<void(const fs::path& top)>;
  // An image with a file system, below dir_; `from` another one, or "".
  fs::path image(const std::string& name, const std::string& from, const Fill& fill);
  // The base device, `a`, and `b` on it, in a pool. Skips where that cannot be made.
  void make(const std::string& type, uint64_t block_bytes = 64 << 10);
  void record(const std::string& hash, int64_t id, bool deleted = false) {
    const Fd fd = open_dir(home());
    Metadata(fd.get()).put(hash, {id, static_cast<int64_t>(bytes_), 1, hash.empty(), deleted});
  }
  void add(const std::string& hash, uint64_t id, const fs::path& image) {
    pool_->add(id, image, data());
    record(hash, static_cast<int64_t>(id));
  }
  test::TreeListing whole_root() const { return test::listing_of_directory(root()); }

  // Loop devices on images of this test, and files; loop devices take a moment to go.
  std::vector<std::string> left() const {
    std::vector<std::string> out = seen();
    for (int tries = 0; tries < 100 && !out.empty(); ++tries, out = seen()) ::usleep(50000);
    return out;
  }
  std::vector<std::string> seen() const {
    std::vector<std::string> out;
    for (const auto& loop : fs::directory_iterator("/sys/block"))
      if (fs::exists(loop.path() / "loop/backing_file"))
        if (auto file = test::read_file(loop.path() / "loop/backing_file"); file.starts_with(dir_.path().string()))
          out.push_back(file);
    for (const auto& file : fs::directory_iterator(dir_ / "tmp")) out.push_back(file.path());
    return out;
  }

  test::TempDir dir_;
  std::string type_ = "ext4";
  uint64_t bytes_ = 0;
  std::optional<MadePool> pool_;
  test::TreeListing in_a_, in_b_;
  const LayerId a_{"a"}, b_{"b"}, c_{"c"};

 private:
  std::optional<std::string> before_;
};

fs::path Offline::image(const std::string& name, const std::string& from, const Fill& fill) {
  const fs::path file = dir_ / name, top = dir_ / (name + ".mounted");
  if (from.empty()) {
    test::write_file(file, "");
    fs::resize_file(file, bytes_);
    run("mkfs." + type_ + " '" + file.string() + "'");
  } else {
    run("cp --sparse=always '" + (dir_ / from).string() + "' '" + file.string() + "'");
  }
  if (!fill) return file;
  fs::create_directory(top);
  run("mount -o loop" + std::string(type_ == "xfs" ? ",nouuid" : "") + " '" + file.string() + "' '" + top.string() +
      "'");
  fs::create_directory(top / "rootfs");
  fill(top / "rootfs");
  run("umount '" + top.string() + "'");
  fs::remove(top);
  return file;
}

std::string noise(size_t bytes) {
  std::mt19937 random(static_cast<unsigned>(bytes));
  std::string out(bytes, '\0');
  for (char& c : out) c = static_cast<char>(random());
  return out;
}

void Offline::make(const std::string& type, uint64_t block_bytes) try {
  type_ = type;
  bytes_ = type == "xfs" ? 304 * kMiB : 48 * kMiB;
  pool_.emplace(block_bytes);
  add("", 1, image("base.img", "", {}));
  add("a", 2, image("a.img", "", [&](const fs::path& top) {
        test::write_file(top / "own", "a");
        fs::create_directories(top / "dir/below");
        test::write_file(top / "dir/large", noise(3 * kMiB + 17));
        fs::create_hard_link(top / "own", top / "dir/same");
        fs::create_symlink("../own", top / "dir/link");
        ASSERT_EQ(::mkfifo((top / "pipe").c_str(), 0600), 0);
        test::write_file(top / "sparse", "start");
        fs::resize_file(top / "sparse", 30 * kMiB);
        run("setcap cap_net_raw+p '" + (top / "own").string() + "' || true");
        in_a_ = test::listing_of_directory(top);
      }));
  add("b", 3, image("b.img", "a.img", [&](const fs::path& top) {
        test::write_file(top / "own", "b");
        fs::remove(top / "dir/link");
        test::write_file(top / "more", noise(100000));
        in_b_ = test::listing_of_directory(top);
      }));
  pool_->write_metadata(pool_metadata());
  const Fd fd = open_dir(home());
  Metadata(fd.get()).put(DeviceSetRecord{3, probe_file_system(dir_ / "base.img")->uuid, type});
} catch (const Error& e) {
  if (e.code() != Errc::unsupported) throw;
  GTEST_SKIP() << e.what();
}

#define MAKE(...)                             \
  ASSERT_NO_FATAL_FAILURE(make(__VA_ARGS__)); \
  if (IsSkipped()) return

class OfflineOn : public Offline, public testing::WithParamInterface<std::tuple<std::string, uint64_t>> {};

TEST_P(OfflineOn, LayersAreWhatTheyWereAndNothingIsWritten) {
  MAKE(std::get<0>(GetParam()), std::get<1>(GetParam()));
  const auto before = whole_root();
  {
    const auto driver = open();
    EXPECT_EQ(driver->list(), (std::vector{a_, b_}));
    EXPECT_TRUE(driver->exists(b_));
    EXPECT_EQ(test::listing_of(driver->tree(a_)), in_a_);
    EXPECT_EQ(test::listing_of(driver->tree(b_)), in_b_);
    EXPECT_EQ(read_all(*content_of(*driver->tree(b_).find("own")), 10), "b");
    EXPECT_GT(driver->disk_usage(a_), 3 * kMiB);
    EXPECT_LT(driver->disk_usage(a_), 10 * kMiB);
  }
  EXPECT_EQ(left(), std::vector<std::string>());
  EXPECT_EQ(whole_root(), before);
}

INSTANTIATE_TEST_SUITE_P(, OfflineOn,
                         testing::Combine(testing::Values("ext4", "xfs"),
                                          testing::Values(4 << 10, 64 << 10, 192 << 10, 1 << 20)),
                         [](const auto& test) {
                           return std::get<0>(test.param) + "_" + std::to_string(std::get<1>(test.param) >> 10) + "K";
                         });

class OfflineJournal : public Offline, public testing::WithParamInterface<std::string> {};

// As after a power cut: what was synced is in the journal, and nowhere else yet.
TEST_P(OfflineJournal, IsReplayedOnTheCopy) {
  MAKE(GetParam());
  const fs::path running = dir_ / "running", cut = dir_ / "cut";
  image("running", "a.img", [&](const fs::path& top) {
    test::write_file(top / "synced", "synced");
    fsync_fd(open_at(AT_FDCWD, top / "synced", O_RDONLY).get(), "the file");
    run("cp --sparse=always '" + running.string() + "' '" + cut.string() + "'");
  });
  const fs::path as_it_is = dir_ / "mounted";
  fs::create_directory(as_it_is);
  run("mount -o loop,ro," + std::string(type_ == "xfs" ? "nouuid,norecovery" : "noload") + " '" + cut.string() + "' '" +
      as_it_is.string() + "'");
  EXPECT_FALSE(fs::exists(as_it_is / "rootfs/synced")) << "there is nothing to replay";
  run("umount '" + as_it_is.string() + "'");
  add("c", 4, cut);
  pool_->write_metadata(pool_metadata());
  const auto before = whole_root();
  EXPECT_EQ(read_all(*content_of(*open()->tree(c_).find("synced")), 100), "synced");
  EXPECT_EQ(whole_root(), before);
}

INSTANTIATE_TEST_SUITE_P(, OfflineJournal, testing::Values("ext4", "xfs"), [](const auto& test) { return test.param; });

TEST_F(Offline, ADamagedLayerIsTheOnlyOne) {
  MAKE("ext4");
  const MetadataFile whole(pool_metadata());
  MetadataFile damaged = whole;
  damaged.bytes[damaged.root_of(2) * MetadataFile::kBlock + 100] ^= 1;
  damaged.write(pool_metadata());
  EXPECT_REFUSED(open()->tree(a_), Errc::corrupt, "opening the layer 'a' without device-mapper");
  EXPECT_EQ(test::listing_of(open()->tree(b_)), in_b_);
  whole.write(pool_metadata());
  const auto overwrite = [&](size_t at, size_t size) {
    const Fd fd = open_at(AT_FDCWD, data(), O_RDWR);
    const std::string junk(size, '\x5a');
    const auto to = static_cast<off_t>(pool_->devices()[2].at(0) * pool_->block_bytes() + at);
    ASSERT_EQ(::pwrite(fd.get(), junk.data(), size, to), static_cast<ssize_t>(size));
  };
  overwrite(2048, 8192);  // the description of its groups
  EXPECT_REFUSED(open()->tree(a_), Errc::io, "mounting the layer 'a'");
  overwrite(0, 4096);
  EXPECT_REFUSED(open()->tree(a_), Errc::corrupt, "neither ext4 nor xfs");
  EXPECT_EQ(test::listing_of(open()->tree(b_)), in_b_);
  EXPECT_EQ(left(), std::vector<std::string>());
}

TEST_F(Offline, ACopyThatWasCutShortSaysSo) {
  MAKE("ext4");
  fs::resize_file(data(), 2 * kMiB);
  EXPECT_REFUSED(open()->tree(b_), Errc::corrupt, "of the pool's data is needed, but it has only 32");
  fs::resize_file(pool_metadata(), 8192);
  EXPECT_REFUSED(open()->tree(b_), Errc::corrupt, "of the pool's metadata is needed, but it has only 2");
}

TEST_F(Offline, DevicesThatThePoolDoesNotHaveAreNamed) {
  MAKE("ext4");
  record("c", 77);
  EXPECT_REFUSED(open()->tree(c_), Errc::corrupt, "the pool has no device 77");
  EXPECT_REFUSED(open()->tree(LayerId("d")), Errc::not_found, "it has no device");
}

TEST_F(Offline, WhatIsToBeDeletedIsGoneAndWhatWasNeverMountedIsEmpty) {
  MAKE("ext4");
  record("a", 2, true);
  record("c", 1);  // as the base: a file system without rootfs
  const auto driver = open();
  EXPECT_FALSE(driver->exists(a_));
  EXPECT_EQ(driver->list(), (std::vector{b_, c_}));
  EXPECT_REFUSED(driver->tree(a_), Errc::not_found, "it has no device");
  EXPECT_TRUE(driver->tree(c_).empty());
  EXPECT_EQ(driver->disk_usage(c_), 0u);
  fs::create_directory(dir_ / "place");
  EXPECT_REFUSED(driver->mount(c_, Access::read_only, dir_ / "place"), Errc::corrupt, "has no directory 'rootfs'");
}

TEST_F(Offline, WhatWritesIsRefusedWithTheReason) {
  MAKE("ext4");
  const auto before = whole_root();
  const auto driver = open();
  const DriverStatus status = driver->probe();
  EXPECT_TRUE(status.readable && status.mountable);
  EXPECT_FALSE(status.writable || status.writable_mounts);
  EXPECT_NE(status.why_not.find("dm.offline"), std::string::npos) << status.why_not;
  EXPECT_NE(status.remedy, "");
  fs::create_directory(dir_ / "place");
  EXPECT_REFUSED(driver->create(c_, a_), Errc::unsupported,
                 "creating the layer 'c': the store can only be read: dm.off");
  EXPECT_REFUSED(driver->begin(c_), Errc::unsupported, "the store can only be read");
  EXPECT_REFUSED(driver->remove(b_), Errc::unsupported, "the store can only be read");
  EXPECT_REFUSED(driver->mount(b_, Access::read_write, dir_ / "place"), Errc::unsupported,
                 "for writing: the store can");
  driver->remove(c_);  // there is none
  EXPECT_EQ(whole_root(), before);
}

TEST_F(Offline, ARootOnAReadOnlyFileSystemIsRead) {
  MAKE("ext4");
  const fs::path shown = fs::canonical(dir_.path()) / "shown";
  fs::create_directory(shown);
  const MountGuard mounted(bind_spec(fs::canonical(root()), shown, true));
  const auto driver = open_devicemapper(shown, {});
  EXPECT_EQ(test::listing_of(driver->tree(b_)), in_b_);
  const DriverStatus status = driver->probe();
  EXPECT_TRUE(status.readable);
  EXPECT_FALSE(status.writable);
  EXPECT_NE(status.why_not.find("is on a read-only file system"), std::string::npos) << status.why_not;
}

TEST_F(Offline, WhileThePoolMayChangeItIsNotRead) {
  MAKE("ext4");
  fs::create_directory(root() / "volumes");
  test::write_file(root() / "volumes/metadata.db", "db");
  {
    const test::OpenElsewhere engine(root() / "volumes/metadata.db");
    EXPECT_REFUSED(open()->tree(a_), Errc::in_use, "pid " + std::to_string(engine.pid()));
  }
  {
    const LoopDevice loop = LoopDevice::attach(pool_metadata());
    EXPECT_REFUSED(open()->tree(a_), Errc::in_use, "the pool is active");
  }
  EXPECT_EQ(test::listing_of(open()->tree(a_)), in_a_);
}

TEST_F(Offline, CopiesOfBlockDevicesAreNamed) {
  MAKE("ext4");
  const std::string data_copy = dir_ / "tdata", metadata_copy = dir_ / "tmeta";
  fs::rename(data(), data_copy);
  fs::rename(pool_metadata(), metadata_copy);
  EXPECT_REFUSED(open()->tree(a_), Errc::not_found, "dm.datadev and dm.metadatadev");
  const Opts copies{{"dm.datadev", data_copy}, {"dm.metadatadev", metadata_copy}};
  const auto driver = open_devicemapper(root(), {copies});  // files need no more than that
  EXPECT_EQ(test::listing_of(driver->tree(b_)), in_b_);
  EXPECT_NE(driver->probe().why_not.find("is no block device"), std::string::npos) << driver->probe().why_not;
  EXPECT_REFUSED(open({{"dm.thinpooldev", "group-pool"}})->tree(a_), Errc::unsupported, "POOL_tmeta");
  const auto also_pool = open({{"dm.thinpooldev", "group-pool"}, copies[0], copies[1]});
  EXPECT_EQ(test::listing_of(also_pool->tree(a_)), in_a_);
  const LoopDevice data_device = LoopDevice::attach(data_copy), metadata_device = LoopDevice::attach(metadata_copy);
  const auto on_devices = open({{"dm.datadev", data_device.node()}, {"dm.metadatadev", metadata_device.node()}});
  EXPECT_EQ(test::listing_of(on_devices->tree(b_)), in_b_);
  const Fd held = open_at(AT_FDCWD, metadata_device.node(), O_RDONLY | O_EXCL);  // as a pool has it
  EXPECT_REFUSED(on_devices->tree(a_), Errc::in_use, "the pool is active");
}

TEST_F(Offline, OnlyFilesAreTakenForAPool) {
  MAKE("ext4");
  fs::rename(data(), dir_ / "tdata");
  fs::create_symlink(dir_ / "tdata", data());
  EXPECT_REFUSED(open()->tree(a_), Errc::invalid, "is a symbolic link: name what it leads to with dm.datadev");
  fs::remove(data());
  ASSERT_EQ(::mkfifo(data().c_str(), 0600), 0);
  EXPECT_REFUSED(open()->tree(a_), Errc::corrupt, "is neither a file nor a block device");
}

TEST_F(Offline, AnotherStoresPoolIsNotTaken) {
  MAKE("ext4");
  const Fd fd = open_dir(home());
  Metadata(fd.get()).put(DeviceSetRecord{3, "01234567-89ab-cdef-0123-456789abcdef", "ext4"});
  EXPECT_REFUSED(open()->tree(a_), Errc::corrupt, "another pool's data and metadata");
  test::write_file(home() / "metadata/deviceset-metadata", "");  // lost: then nothing says so
  EXPECT_EQ(test::listing_of(open()->tree(a_)), in_a_);
}

TEST_F(Offline, OneImageServesAllWhoReadALayer) {
  MAKE("ext4");
  auto driver = open();
  const Tree first = driver->tree(a_), again = driver->tree(a_), other = driver->tree(b_);
  EXPECT_EQ(seen().size(), 2u) << "one loop device a layer, and no file has a name";
  driver.reset();
  EXPECT_EQ(test::listing_of(again), in_a_);
  EXPECT_EQ(test::listing_of(other), in_b_);
}

TEST_F(Offline, OnlyTheLastFewImagesAreKept) {
  MAKE("ext4");
  std::vector<std::string> layers;
  for (int i = 0; i < 9; ++i) record(layers.emplace_back("layer" + std::to_string(i)), i % 2 + 2);
  const auto driver = open();
  for (const auto& id : layers) EXPECT_TRUE(driver->tree(LayerId(id)).find("own"));
  for (int tries = 0; tries < 100 && seen().size() > 4; ++tries) ::usleep(50000);
  EXPECT_EQ(seen().size(), 4u);
}

TEST_F(Offline, AMountOutlivesTheDriver) {
  MAKE("ext4");
  const fs::path place = fs::canonical(dir_.path()) / "place";
  fs::create_directory(place);
  open()->mount(b_, Access::read_only, place);
  EXPECT_EQ(test::listing_of_directory(place), in_b_);
  EXPECT_NE(::access(place.c_str(), W_OK), 0);
  unmount(place);
  EXPECT_EQ(left(), std::vector<std::string>());
}

TEST_F(Offline, AFullPlaceForImagesIsNamed) {
  MAKE("ext4");
  MountSpec spec;
  spec.type = "tmpfs", spec.source = "cairn-test", spec.target = fs::canonical(dir_ / "tmp"), spec.data = "size=1m";
  const MountGuard small(spec);
  EXPECT_REFUSED(open()->tree(a_), Errc::no_space, "TMPDIR names another place");
}

TEST_F(Offline, BlocksAreSharedWhereTheFileSystemCan) {
  MAKE("ext4");
  try {
    const test::LoopFileSystem place("xfs");
    const fs::path there = place.path();
    fs::create_directory(there / "tmp");
    images_at(there / "tmp");
    run("cp --sparse=always '" + data().string() + "' '" + (there / "data").string() + "' && sync -f '" +
        there.string() + "'");
    const auto driver = open({{"dm.datadev", there / "data"}});
    const auto free_before = fs::space(there).free;
    const Tree tree = driver->tree(a_);
    EXPECT_LT(free_before, fs::space(there).free + kMiB) << "3 MiB do not fit there";
    EXPECT_EQ(test::listing_of(tree), in_a_);
  } catch (const Error& e) {
    if (e.code() != Errc::unsupported) throw;
    GTEST_SKIP() << e.what();
  }
}

class OfflineOrNot : public ThinStore, public testing::WithParamInterface<std::string> {};

TEST_P(OfflineOrNot, LayersAreTheSame) {
  const LayerId a("a"), b("b"), c("c");
  const Opts size{{"dm.basesize", "400M"}, {"dm.fs", GetParam()}};
  Opts offline = size;
  offline.emplace_back("dm.offline", "true");
  test::TreeListing in_b, in_c;
  {
    const auto driver = open(size);
    put(*driver, a, std::nullopt, 3 * kMiB);
    put(*driver, b, a, kMiB);
    driver->create(c, b);
    driver->mount(c, Access::read_write, place("c"));
    for (int i = 0; i < 500; ++i) test::write_file(place("c") / ("file" + std::to_string(i)), noise(9000));
    unmount(place("c"));
    in_b = test::listing_of(driver->tree(b));
    in_c = test::listing_of(driver->tree(c));
    EXPECT_REFUSED(open(offline)->tree(b), Errc::in_use, "the pool is active");
  }
  EXPECT_EQ(left_behind(), std::vector<std::string>());
  const auto driver = open(offline);
  EXPECT_EQ(test::listing_of(driver->tree(b)), in_b);
  EXPECT_EQ(test::listing_of(driver->tree(c)), in_c);
  EXPECT_EQ(own(*driver, a), "a");
  EXPECT_FALSE(DeviceMapper::info(pool())) << "the pool was started";
}

INSTANTIATE_TEST_SUITE_P(, OfflineOrNot, testing::Values("ext4", "xfs"), [](const auto& test) { return test.param; });

}  // namespace
}  // namespace cairn::devicemapper
