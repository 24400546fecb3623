// What crashes, engines and other people's hands leave of a pool.
#include <fcntl.h>

#include <chrono>
#include <thread>

#include "drivers/sys/mount.h"
#include "drivers/sys/mount_table.h"
#include "tests/drivers/devicemapper/store.h"
#include "tests/support/mounts_elsewhere.h"

namespace cairn::devicemapper {

namespace fs = std::filesystem;

class Recovery : public ThinStore {
 protected:
  void make_store() {
    const auto driver = open();
    put(*driver, a_, std::nullopt);
    put(*driver, b_, a_);
  }
  // A transaction as a crash leaves it: the device is there, the pool was not told that it is complete.
  void leave_half(const std::string& hash) {
    const auto driver = open();
    driver->create(LayerId(hash), a_);
    TransactionRecord record = *metadata().transaction();
    record.open_transaction_id += 1;
    metadata().put(record);
  }
  const LayerId a_{"a"}, b_{"b"}, c_{"c"};
};

TEST_F(Recovery, AHalfMadeDeviceIsRolledBack) {
  make_store();
  leave_half("c");
  {
    const auto driver = open();
    driver->create(LayerId("d"), a_);
    EXPECT_FALSE(driver->exists(c_));
    EXPECT_EQ(own(*driver, b_), "b");
  }
  expect_pool_and_files_agree();
  EXPECT_EQ(left_behind(), std::vector<std::string>());
}

TEST_F(Recovery, ARollbackThatFailsForgetsNothing) {
  make_store();
  leave_half("c");
  const auto driver = open();
  driver->mount(a_, Access::read_only, place("keeps the pool"));
  const auto record = *metadata().device("c");
  {
    const ForeignDevice other("cairn-test-other", thin_table(static_cast<uint64_t>(record.size),
                                                             DeviceMapper::node(pool()), record.device_id));
    EXPECT_REFUSED(driver->create(LayerId("d"), a_), Errc::in_use, "delete");
    EXPECT_EQ(metadata().device("c"), record) << "the device is there, so is its file";
    EXPECT_TRUE(metadata().transaction());
  }
  driver->create(LayerId("d"), a_);
  EXPECT_FALSE(driver->exists(c_));
  unmount(place("keeps the pool"));
}

TEST_F(Recovery, ATransactionWhoseDeviceWasNeverMadeIsForgotten) {
  make_store();
  {
    const auto driver = open();
    TransactionRecord record = *metadata().transaction();
    metadata().put(TransactionRecord{record.open_transaction_id + 1, "c", 4711});
    driver->create(c_, a_);
    EXPECT_EQ(own(*driver, c_), "a");
  }
  expect_pool_and_files_agree();
}

TEST_F(Recovery, ASuspendedDeviceIsWokenAndADeviceWithoutATableReplaced) {
  make_store();
  auto driver = open();
  driver->mount(a_, Access::read_only, place("a"));
  DeviceMapper::suspend(device("a"));
  driver = open();
  driver->create(c_, a_);
  EXPECT_FALSE(DeviceMapper::info(device("a"))->suspended);
  unmount(place("a"));
  DeviceMapper::create(device("b"), {}, DmAccess::read_only, own_uuid(device("b")));
  EXPECT_EQ(own(*open(), b_), "b");
  driver.reset();
  EXPECT_EQ(left_behind(), std::vector<std::string>());
}

TEST_F(Recovery, WhatOthersMadeIsTheirsToRemove) {
  make_store();
  auto driver = open();
  driver->mount(a_, Access::read_only, place("keeps the pool"));
  const auto record = *metadata().device("b");
  const ForeignDevice engines(
      device("b"), thin_table(static_cast<uint64_t>(record.size), DeviceMapper::node(pool()), record.device_id));
  driver = open();
  driver->create(c_, b_);
  EXPECT_EQ(own(*driver, b_), "b");
  EXPECT_TRUE(DeviceMapper::info(device("b")));
  EXPECT_FALSE(DeviceMapper::info(device("b"))->deferred_remove);
  unmount(place("keeps the pool"));
}

TEST_F(Recovery, ABusyLayerIsRefusedOrDeletedLater) {
  make_store();
  const auto driver = open({{"dm.use_deferred_removal", "true"}, {"dm.use_deferred_deletion", "true"}});
  driver->mount(b_, Access::read_only, place("b"));
  EXPECT_REFUSED(open()->remove(b_), Errc::in_use, "dm.use_deferred_deletion");
  driver->remove(b_);
  EXPECT_FALSE(driver->exists(b_));
  EXPECT_EQ(driver->list(), std::vector{a_});
  EXPECT_TRUE(metadata().device("b")->deleted) << "as engines record it";
  EXPECT_EQ(test::read_file(place("b") / "own"), "b") << "who has it open keeps it";
  EXPECT_REFUSED(driver->create(b_, a_), Errc::already_exists, "deleted");
  EXPECT_REFUSED(open()->create(LayerId("d"), b_), Errc::not_found, "parent");
  unmount(place("b"));
  open()->create(c_, a_);
  EXPECT_FALSE(metadata().device("b")) << "whoever writes next finishes it";
}

// The name of such a device is gone before the pool has let go of it.
TEST_F(Recovery, ADeviceThatTheKernelIsTakingAwayIsWaitedFor) {
  make_store();
  const auto driver = open();
  driver->mount(a_, Access::read_only, place("keeps the pool"));
  const std::string name = device("goes");
  for (int round = 0; round < 100; ++round) {
    DeviceMapper::message(pool(), "create_thin 1000");
    DeviceMapper::create(name, {thin_table(kMiB, DeviceMapper::node(pool()), 1000)}, DmAccess::read_write, "");
    Fd user = open_at(AT_FDCWD, DeviceMapper::node(name), O_RDWR);
    DeviceMapper::remove(name, true);
    user.reset();
    while (DeviceMapper::info(name)) continue;
    ASSERT_NO_THROW(DeviceMapper::message(pool(), "delete 1000")) << "round " << round;
  }
  unmount(place("keeps the pool"));
}

TEST_F(Recovery, ADeviceThatUdevLooksIntoIsWaitedFor) {
  make_store();
  open()->mount(a_, Access::read_only, place("keeps the pool"));
  const std::string base = device("base");
  const auto record = *metadata().device("");
  const DmTarget table = thin_table(static_cast<uint64_t>(record.size), DeviceMapper::node(pool()), record.device_id);
  DeviceMapper::create(base, {table}, DmAccess::read_only, own_uuid(base));
  Fd user = open_at(AT_FDCWD, DeviceMapper::node(base), O_RDONLY);
  std::thread looks([&] {
    std::this_thread::sleep_for(std::chrono::milliseconds(700));
    user.reset();
  });
  EXPECT_NO_THROW(open()->create(c_, a_));
  looks.join();
  unmount(place("keeps the pool"));
}

TEST_F(Recovery, WhatAnEngineMarkedAsDeletedIsDeleted) {
  make_store();
  auto record = *metadata().device("b");
  record.deleted = true;
  metadata().put("b", record);
  EXPECT_FALSE(open()->exists(b_));
  open()->create(c_, a_);
  EXPECT_FALSE(metadata().device("b"));
  EXPECT_EQ(left_behind(), std::vector<std::string>());
  expect_pool_and_files_agree();
}

// As a container's runtime does: the mount lives on in a namespace of its own.
TEST_F(Recovery, AMountThatLeakedIntoAnotherNamespaceIsNotTakenAway) {
  make_store();
  const auto driver = open();
  driver->mount(b_, Access::read_only, place("b"));
  {
    const test::MountsElsewhere other;
    ASSERT_TRUE(other.is_apart());
    unmount(place("b"));
    EXPECT_FALSE(is_mount_point(place("b")));
    EXPECT_REFUSED(driver->remove(b_), Errc::in_use, "another mount namespace");
    EXPECT_EQ(own(*driver, b_), "b");
    driver->create(c_, b_);
    EXPECT_EQ(test::read_file(other.see(place("b")) / "own"), "b");
  }
  driver->remove(b_);
}

TEST_F(Recovery, AFileThatIsGoneUnderAnActivePoolStopsWritingOnly) {
  make_store();
  auto driver = open();
  driver->mount(a_, Access::read_only, place("keeps the pool"));
  const fs::path data = home() / "devicemapper/data", saved = dir_ / "saved";
  for (const bool replaced : {false, true}) {
    fs::rename(data, saved);
    if (replaced) test::write_file(data, "another");
    driver = open();
    EXPECT_REFUSED(driver->create(c_, a_), Errc::corrupt, "deleted or replaced");
    EXPECT_REFUSED(driver->remove(b_), Errc::corrupt, "deleted or replaced");
    EXPECT_EQ(own(*driver, b_), "b");
    fs::rename(saved, data);
  }
  open()->create(c_, a_);
  unmount(place("keeps the pool"));
}

TEST_F(Recovery, ALostFileIsNotMadeAnew) {
  make_store();
  for (const char* file : {"devicemapper/data", "devicemapper/metadata"}) {
    fs::rename(home() / file, dir_ / "saved");
    const auto driver = open();
    EXPECT_REFUSED(driver->tree(b_), Errc::not_found, file);
    EXPECT_REFUSED(driver->create(c_, a_), Errc::not_found, file);
    EXPECT_FALSE(fs::exists(home() / file));
    fs::rename(dir_ / "saved", home() / file);
  }
  EXPECT_EQ(own(*open(), b_), "b");
}

TEST_F(Recovery, AnotherStoresPoolIsNotTouched) {
  make_store();
  auto known = *metadata().device_set();
  known.base_uuid.replace(0, 8, "00000000");
  metadata().put(known);
  const auto before = test::read_file(home() / "metadata/transaction-metadata");
  const auto driver = open();
  EXPECT_REFUSED(driver->tree(b_), Errc::corrupt, "another pool");
  EXPECT_REFUSED(driver->create(c_, a_), Errc::corrupt, "another pool");
  EXPECT_REFUSED(driver->remove(b_), Errc::corrupt, "another pool");
  EXPECT_EQ(test::read_file(home() / "metadata/transaction-metadata"), before);
}

TEST_F(Recovery, AStoreWhoseBaseFileIsLostIsReadButNotWritten) {
  make_store();
  fs::remove(home() / "metadata/base");
  const auto driver = open();
  EXPECT_EQ(own(*driver, b_), "b");
  EXPECT_REFUSED(driver->create(c_, a_), Errc::invalid, "metadata/base");
  EXPECT_FALSE(fs::exists(home() / "metadata/base"));
}

}  // namespace cairn::devicemapper
