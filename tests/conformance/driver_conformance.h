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

#include "core/util/error.h"
#include "tests/conformance/drivers_under_test.h"
#include "tests/support/tree_listing.h"

namespace cairn::test {

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
