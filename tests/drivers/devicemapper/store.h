// A small devicemapper store of a test's own, for tests that look at what lies under the driver.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "core/interfaces/driver.h"
#include "core/util/error.h"
#include "drivers/devicemapper/devicemapper.h"
#include "drivers/devicemapper/metadata.h"
#include "drivers/devicemapper/names.h"
#include "drivers/sys/loop.h"
#include "tests/support/temp_dir.h"

namespace cairn::devicemapper {

class ThinStore : public testing::Test {
 protected:
  using Opts = std::vector<std::pair<std::string, std::string>>;
  void SetUp() override;  // skips where the kernel has no thin provisioning, or fails if it is required
  void TearDown() override;

  // With small loop files, unless `opts` say otherwise.
  std::unique_ptr<Driver> open(const Opts& opts = {}) const;
  std::filesystem::path home() const { return dir_ / "root/devicemapper"; }
  Metadata metadata() { return Metadata((home_fd_ = open_dir(home())).get()); }
  std::string pool() const { return device("pool"); }
  std::string device(const std::string& hash) const;  // its name
  PoolStatus status() const;
  std::filesystem::path place(const std::string& name) const;  // an empty directory

  // A layer with `bytes` that do not compress, and the file "own" that says which it is.
  static void put(Driver& driver, const LayerId& id, const std::optional<LayerId>& parent, size_t bytes = 0);
  static std::string own(const Driver& driver, const LayerId& id);  // what the file says

  // All of this store that the kernel knows: devices, loop devices, mounts. Loop devices take a moment to go.
  std::vector<std::string> left_behind() const;
  // That the pool, which must be stopped, has exactly the devices that the files name; where thin_dump is installed.
  void expect_pool_and_files_agree();

  test::TempDir dir_;

 private:
  std::vector<std::string> in_the_kernel() const;
  Fd home_fd_;
};

// A block device in a sparse file; it goes with this object and the last table that names it.
class BlockDevice {
 public:
  BlockDevice(const std::filesystem::path& file, uint64_t bytes);
  const std::string& node() const { return loop_->node(); }

 private:
  std::optional<LoopDevice> loop_;
};

// A device-mapper device that others than cairn made: an administrator, or an engine.
class ForeignDevice {
 public:
  ForeignDevice(std::string name, const DmTarget& table) : name_(std::move(name)) {
    DeviceMapper::create(name_, {table}, DmAccess::read_write, "");
  }
  ~ForeignDevice();
  const std::string& name() const { return name_; }

 private:
  std::string name_;
};

Error error_of(const std::function<void()>& body);  // fails the test if nothing is thrown
#define EXPECT_REFUSED(body, errc, says)                                                    \
  do {                                                                                      \
    const Error refusal = error_of([&] { body; });                                          \
    EXPECT_EQ(refusal.code(), errc) << refusal.what();                                      \
    EXPECT_NE(std::string(refusal.what()).find(says), std::string::npos) << refusal.what(); \
  } while (false)

constexpr uint64_t kMiB = 1 << 20;

}  // namespace cairn::devicemapper
