// One suite that every driver passes, each case on a fresh root. Drivers differ by what probe() declares, never by
// name. CAIRN_REQUIRE_DRIVERS=overlay2,vfs makes a skip of these a failure; CAIRN_TEST_DIR says on which file system to
// work.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/archive/apply.h"
#include "core/interfaces/driver.h"
#include "core/util/error.h"
#include "drivers/sys/mount.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tree_listing.h"

namespace cairn::test {

struct DriverUnderTest {
  std::string name;
  std::function<std::unique_ptr<Driver>(const std::filesystem::path& root)> open;
  // Where roots must lie, for a driver that needs a file system of its own kind. Throws unsupported if none can be had.
  std::function<std::filesystem::path()> backing = {};
};
TempDir place_for(const DriverUnderTest& driver);  // throws as `backing` does
std::vector<DriverUnderTest> drivers_under_test();
std::ostream& operator<<(std::ostream& out, const DriverUnderTest& driver);

// A root of its own where the driver works: below $CAIRN_TEST_DIR, or, where that cannot host it, on a tmpfs of its
// own.
class DriverRoot {
 public:
  explicit DriverRoot(const DriverUnderTest& driver);
  const std::filesystem::path& path() const { return dir_.path(); }
  Driver& driver() { return *driver_; }
  bool mountable() const { return status_.mountable; }
  bool writable_mounts() const { return status_.mountable && status_.writable_mounts; }
  bool keeps_layers() const { return status_.keeps_layers; }
  std::string why_not() const;  // empty if the driver works here
  std::unique_ptr<Driver> reopen() const { return open_(dir_.path()); }

 private:
  void open_and_probe();

  std::string no_place_;  // why there is none
  TempDir dir_;           // declared before what works in it, so it dies last
  std::optional<MountGuard> tmpfs_;
  std::function<std::unique_ptr<Driver>(const std::filesystem::path&)> open_;
  std::unique_ptr<Driver> driver_;
  DriverStatus status_;
};

// Mounted on a directory of its own, unmounted when it dies.
class MountedLayer {
 public:
  MountedLayer(Driver& driver, const LayerId& id, Access access, const std::filesystem::path& target);
  ~MountedLayer();
  MountedLayer(const MountedLayer&) = delete;
  const std::filesystem::path& path() const { return target_; }

 private:
  std::filesystem::path target_;
};

// Puts a layer tar into the driver as a layer on `parent`.
Applied apply_layer(Driver& driver, const LayerId& id, const std::optional<LayerId>& parent, const std::string& tar);
LayerId fresh_id();

class DriverConformance : public testing::TestWithParam<DriverUnderTest> {
 protected:
  void SetUp() override;
  void TearDown() override;
  Driver& driver() { return root_->driver(); }
  std::filesystem::path root() const { return root_->path(); }
  bool mountable() const { return root_->mountable(); }
  bool writable_mounts() const { return root_->writable_mounts(); }
  bool keeps_layers() const { return root_->keeps_layers(); }
  std::unique_ptr<Driver> reopen() const { return root_->reopen(); }

  // A created layer that `write` fills: through a writable mount, or where there are none, as a layer in the making.
  LayerId make(const std::optional<LayerId>& parent, const std::function<void(const std::filesystem::path&)>& write);
  LayerId apply(const std::optional<LayerId>& parent, const std::string& tar);
  TreeListing listing(const LayerId& id) { return listing_of(driver().tree(id)); }
  std::filesystem::path place(const std::string& name);  // an empty directory beside the store

  TempDir beside_;
  std::unique_ptr<DriverRoot> root_;
};

Errc code_of(const std::function<void()>& body);  // of the Error it throws; fails the test if it does not

}  // namespace cairn::test
