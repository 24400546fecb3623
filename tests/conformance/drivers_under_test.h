// The drivers that tests and benchmarks go through, and a place for each to work in.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/archive/apply.h"
#include "core/interfaces/driver.h"
#include "drivers/sys/mount.h"
#include "tests/support/temp_dir.h"

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

// Puts a layer tar into the driver as a layer on `parent`.
Applied apply_layer(Driver& driver, const LayerId& id, const std::optional<LayerId>& parent, const std::string& tar);
LayerId fresh_id();

}  // namespace cairn::test
