#include "tests/conformance/driver_conformance.h"

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
#include "tests/support/leftover_mounts.h"
#include "tests/support/loop_file_system.h"
#include "tests/support/required_drivers.h"

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

MountedLayer::MountedLayer(Driver& driver, const LayerId& id, Access access, const fs::path& target) : target_(target) {
  driver.mount(id, access, target);
}

MountedLayer::~MountedLayer() {
  try {
    unmount(target_);
  } catch (const Error& e) {
    ADD_FAILURE() << e.what();
  }
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

void DriverConformance::SetUp() {
  root_ = std::make_unique<DriverRoot>(GetParam());
  const std::string why = root_->why_not();
  if (why.empty()) return;
  ASSERT_FALSE(is_required(GetParam().name)) << GetParam().name << " is required and does not work here: " << why;
  GTEST_SKIP() << GetParam().name << " does not work here: " << why;
}

void DriverConformance::TearDown() { unmount_leftovers(beside_.path()); }

LayerId DriverConformance::make(const std::optional<LayerId>& parent,
                                const std::function<void(const fs::path&)>& write) {
  const LayerId id = fresh_id();
  if (writable_mounts()) {
    driver().create(id, parent);
    const MountedLayer mounted(driver(), id, Access::read_write, place("rw-" + id.str().substr(0, 8)));
    write(mounted.path());
    return id;
  }
  const auto target = driver().begin(id);
  write(path_of(target->root_fd()));
  target->finish(parent, {});
  return id;
}

LayerId DriverConformance::apply(const std::optional<LayerId>& parent, const std::string& tar) {
  const LayerId id = fresh_id();
  apply_layer(driver(), id, parent, tar);
  return id;
}

fs::path DriverConformance::place(const std::string& name) {
  fs::create_directories(beside_ / name);
  return fs::canonical(beside_ / name);
}

Errc code_of(const std::function<void()>& body) {
  try {
    body();
  } catch (const Error& e) {
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << "more than one line: " << e.what();
    return e.code();
  }
  ADD_FAILURE() << "nothing was thrown";
  return Errc::interrupted;
}

INSTANTIATE_TEST_SUITE_P(, DriverConformance, testing::ValuesIn(drivers_under_test()),
                         [](const auto& test) { return test.param.name; });

}  // namespace cairn::test
