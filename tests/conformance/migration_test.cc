// A root comes into each driver's store from a graph and from another driver's, and out of it again: layers, trees and
// containers stay what they were.
#include "core/archive/changes.h"
#include "core/migrate/migrate.h"
#include "drivers/devicemapper/devicemapper.h"
#include "drivers/overlay2/overlay2.h"
#include "drivers/vfs/vfs.h"
#include "graphdb/legacy/legacy_graph.h"
#include "graphdb/store.h"
#include "tests/conformance/driver_conformance.h"
#include "tests/support/fixtures.h"

namespace cairn::test {

namespace fs = std::filesystem;

namespace {

struct OpenStore {
  fs::path root;
  std::unique_ptr<Driver> driver;
  std::unique_ptr<MetadataStore> metadata;
};

OpenStore open_store(const fs::path& root, std::unique_ptr<Driver> driver) {
  fs::create_directories(root);
  auto metadata = open_metadata(root, std::string(driver->name()));
  return {root, std::move(driver), std::move(metadata)};
}

template <class Source>
MigrationReport carry(const Source& source, const OpenStore& to) {
  const MigrationTarget target{to.root, *to.driver, *to.metadata, {}};
  const MigrateOptions options{.verify = true, .jobs = 2};
  NoProgress quiet;
  auto report = run_migration(plan_migration(source, target, options), source, target, options, quiet);
  EXPECT_TRUE(report.complete());
  EXPECT_TRUE(report.damage.empty());
  return report;
}

MigrationReport carry(const OpenStore& from, const OpenStore& to) {
  return carry(ContentSource{from.root, *from.metadata, *from.driver}, to);
}

void expect_same_tree(const Driver& got_in, const LayerId& got, const Driver& want_in, const LayerId& want) {
  for (const auto& change : changes_between(got_in.tree(got), want_in.tree(want), {.rule = Compare::exact}))
    ADD_FAILURE() << want.str() << ": " << static_cast<char>(change.kind) << " " << change.path;
}

// Layers with their hashes and sizes, tags, containers; and the files of each. Engines put their driver's name into a
// container's configuration.
void expect_same_store(const OpenStore& got, const OpenStore& want) {
  const auto layers = want.metadata->layers().list();
  EXPECT_EQ(layers.size(), 11u);
  EXPECT_EQ(got.metadata->layers().list().size(), layers.size());
  for (const auto& layer : layers) {
    const auto found = got.metadata->layers().find(layer.chain);
    ASSERT_TRUE(found) << layer.chain.str();
    EXPECT_EQ(found->diff, layer.diff);
    EXPECT_EQ(found->parent, layer.parent);
    EXPECT_EQ(found->size, layer.size);
    expect_same_tree(*got.driver, found->cache_id, *want.driver, layer.cache_id);
  }
  EXPECT_EQ(got.metadata->images().list(), want.metadata->images().list());
  EXPECT_EQ(got.metadata->references().all(), want.metadata->references().all());
  EXPECT_EQ(got.metadata->containers().list(), want.metadata->containers().list());
  const auto mounts = want.metadata->layers().mounts();
  EXPECT_EQ(mounts.size(), 2u);
  for (const auto& mount : mounts) {
    const auto found = got.metadata->layers().find_mount(mount.name);
    ASSERT_TRUE(found) << mount.name;
    EXPECT_EQ(found->parent, mount.parent);
    expect_same_tree(*got.driver, found->mount_id, *want.driver, mount.mount_id);
  }
}

OpenStore dockers_own(const fs::path& into) {
  const fs::path root = unpack_fixture("tiny-1.9.1-vfs-after-1.10.3", into);
  return open_store(root, open_vfs(root));
}

}  // namespace

class MigrationConformance : public DriverConformance {
 protected:
  fs::path target() const { return root() / "target"; }
  OpenStore open_target() const { return open_store(target(), GetParam().open(target())); }
  // Into stores that any machine can hold.
  void expect_it_comes_out(const OpenStore& from, const OpenStore& answer, const std::string& name) {
    const fs::path to = beside_ / name;
    for (const bool by_vfs : {false, true}) {
      const fs::path into = to / (by_vfs ? "vfs" : "overlay2");
      const OpenStore out = open_store(into, by_vfs ? open_vfs(into) : open_overlay2(into));
      carry(from, out);
      expect_same_store(out, answer);
    }
  }
};

TEST_P(MigrationConformance, AGraphComesInAndOutAgain) {
  const OpenStore answer = dockers_own(beside_ / "answer");
  const fs::path before = unpack_fixture("tiny-1.9.1-vfs-before", beside_ / "before");
  {
    const OpenStore in = open_target();
    carry(MigrationSource{before, *open_legacy(before, "vfs"), *open_vfs(before)}, in);
    expect_same_store(in, answer);
  }
  expect_it_comes_out(open_target(), answer, "out");
  if (GetParam().name == "devicemapper")  // the pool is stopped now, and read without the kernel's device-mapper
    expect_it_comes_out(open_store(target(), open_devicemapper(target(), {{{"dm.offline", "true"}}})), answer,
                        "offline");
}

TEST_P(MigrationConformance, AnotherDriversStoreComesIn) {
  const OpenStore answer = dockers_own(beside_ / "answer");
  const OpenStore in = open_target();
  carry(answer, in);
  expect_same_store(in, answer);
}

static std::vector<DriverUnderTest> drivers_of_engines() {
  auto all = drivers_under_test();
  std::erase_if(all, [](const auto& one) { return one.name == "fake" || one.name.starts_with("plugin_of_"); });
  return all;
}

INSTANTIATE_TEST_SUITE_P(, MigrationConformance, testing::ValuesIn(drivers_of_engines()),
                         [](const auto& test) { return test.param.name; });

}  // namespace cairn::test
