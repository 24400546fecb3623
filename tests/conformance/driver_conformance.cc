#include "tests/conformance/driver_conformance.h"

#include "core/util/error.h"
#include "tests/support/leftover_mounts.h"
#include "tests/support/required_drivers.h"

namespace cairn::test {

namespace fs = std::filesystem;

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
