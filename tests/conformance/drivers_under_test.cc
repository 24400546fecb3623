#include "tests/conformance/drivers_under_test.h"

#include <ostream>

#include "core/util/error.h"
#include "drivers/aufs/aufs.h"
#include "drivers/btrfs/btrfs.h"
#include "drivers/devicemapper/devicemapper.h"
#include "drivers/overlay/overlay.h"
#include "drivers/overlay2/overlay2.h"
#include "drivers/vfs/vfs.h"
#include "tests/conformance/served_driver.h"
#include "tests/support/fake_driver.h"
#include "tests/support/loop_file_system.h"

namespace cairn::test {

namespace fs = std::filesystem;

static std::unique_ptr<Driver> open_small_devicemapper(const fs::path& root) {
  return open_devicemapper(root, {{{"dm.loopdatasize", "3G"},
                                   {"dm.loopmetadatasize", "64M"},
                                   {"dm.basesize", "512M"},
                                   {"dm.fs", "ext4"},
                                   {"dm.min_free_space", "1%"}}});
}

template <std::unique_ptr<Driver> (*kOpen)(const fs::path& root, const DriverOptions& options)>
static std::unique_ptr<Driver> serve(const fs::path& home, const std::vector<std::string>&) {
  return kOpen(home, {});
}

std::vector<DriverUnderTest> drivers_under_test() {
  return {{"overlay2", [](const fs::path& root) { return open_overlay2(root); }},
          {"aufs", [](const fs::path& root) { return open_aufs(root); }},
          {"overlay", [](const fs::path& root) { return open_overlay(root); }},
          {"btrfs", [](const fs::path& root) { return open_btrfs(root); }, btrfs_place},
          {"vfs", [](const fs::path& root) { return open_vfs(root); }},
          {"devicemapper", open_small_devicemapper},
          {"plugin_of_overlay2", [](const fs::path& root) { return open_served(root, serve<open_overlay2>); }},
          {"plugin_of_vfs", [](const fs::path& root) { return open_served(root, serve<open_vfs>); }},
          {"fake", [](const fs::path& root) { return std::make_unique<FakeDriver>(root); }}};
}

std::ostream& operator<<(std::ostream& out, const DriverUnderTest& driver) { return out << driver.name; }

TempDir place_for(const DriverUnderTest& driver) { return driver.backing ? TempDir(driver.backing()) : TempDir(); }

static TempDir place_or_reason(const DriverUnderTest& driver, std::string& reason) {
  try {
    return place_for(driver);
  } catch (const Error& e) {
    if (e.code() != Errc::unsupported) throw;
    reason = e.what();
    return {};
  }
}

DriverRoot::DriverRoot(const DriverUnderTest& driver) : dir_(place_or_reason(driver, no_place_)), open_(driver.open) {
  if (!no_place_.empty()) return;
  open_and_probe();
  if (status_.writable || !running_as_root()) return;
  driver_.reset();
  MountSpec tmpfs;
  tmpfs.type = "tmpfs";
  tmpfs.source = "cairn-test";
  tmpfs.target = fs::canonical(dir_.path());
  tmpfs_.emplace(tmpfs);
  open_and_probe();
}

// A driver tells what it can do here once there is a "here".
void DriverRoot::open_and_probe() {
  driver_ = open_(dir_.path());
  if (running_as_root()) {
    try {
      driver_->create(LayerId("trial"), std::nullopt);
      driver_->remove(LayerId("trial"));
    } catch (const Error&) {  // probe() says why
    }
  }
  status_ = driver_->probe();
}

std::string DriverRoot::why_not() const {
  return !no_place_.empty() ? no_place_ : status_.writable ? "" : status_.why_not;
}

Applied apply_layer(Driver& driver, const LayerId& id, const std::optional<LayerId>& parent, const std::string& tar) {
  const auto source = read_from(tar);
  TarReader reader(*source);
  const auto target = driver.begin(id);
  Applied applied = apply_tar(reader, *target);
  target->finish(parent, applied.implied_dirs);
  return applied;
}

LayerId fresh_id() { return LayerId::random(); }

}  // namespace cairn::test
