#include "core/migrate/migrate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <set>

#include "core/archive/changes.h"
#include "core/util/error.h"
#include "drivers/overlay/overlay.h"
#include "drivers/overlay2/overlay2.h"
#include "drivers/vfs/vfs.h"
#include "graphdb/legacy/legacy_graph.h"
#include "graphdb/store.h"
#include "tests/support/fixtures.h"
#include "tests/support/temp_dir.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using test::read_file;
using test::TempDir;

std::unique_ptr<Driver> open_driver(const fs::path& root, const std::string& name) {
  if (name == "overlay2") return open_overlay2(root, {});
  return name == "vfs" ? open_vfs(root, {}) : open_overlay(root, {});
}

// Relative path -> content (or link text) of every file below `root`.
std::map<std::string, std::string> files_below(const fs::path& root) {
  std::map<std::string, std::string> out;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    const std::string name = fs::relative(entry.path(), root).string();
    if (entry.is_symlink())
      out[name] = fs::read_symlink(entry.path()).string();
    else if (entry.is_regular_file())
      out[name] = read_file(entry.path());
    else
      out[name + "/"] = "";
  }
  return out;
}

struct Pair {
  const char *from, *to;
};

class MigrateTiny : public testing::TestWithParam<Pair> {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "needs root: layers keep their owners";
    const std::string name = std::string("tiny-1.9.1-") + GetParam().from;
    before_ = test::unpack_fixture(name + "-before", dir_ / "before");
    after_ = test::unpack_fixture(name + "-after-1.10.3", dir_ / "after");
    fs::create_directories(target_);
  }

  MigrationReport migrate(const fs::path& target, MigrateOptions options = {}) {
    const auto graph = open_legacy(before_, GetParam().from);
    const auto source_driver = open_driver(before_, GetParam().from), driver = open_driver(target, GetParam().to);
    const auto metadata = open_metadata(target, GetParam().to);
    const MigrationSource source{before_, *graph, *source_driver};
    const MigrationTarget to{target, *driver, *metadata, {}};
    options.jobs = 2;
    NoProgress quiet;
    return run_migration(plan_migration(source, to, options), source, to, options, quiet);
  }

  fs::path image(const fs::path& root, const std::string& driver) const { return root / "image" / driver; }

  TempDir dir_;
  fs::path before_, after_, target_ = dir_ / "target";
};

TEST_P(MigrateTiny, GivesWhatDocker1103Gave) {
  const auto untouched = files_below(before_);
  const auto report = migrate(target_);
  EXPECT_TRUE(report.complete());
  EXPECT_EQ(files_below(before_), untouched) << "the source was written to";
  EXPECT_EQ(read_file(target_ / ".migration-v1-images.json"), read_file(after_ / ".migration-v1-images.json"));
  const auto want = image(after_, GetParam().from), got = image(target_, GetParam().to);
  EXPECT_EQ(files_below(got / "layerdb/sha256"), files_below(want / "layerdb/sha256"));
  EXPECT_EQ(files_below(got / "layerdb/mounts"), files_below(want / "layerdb/mounts"));
  EXPECT_EQ(files_below(got / "imagedb"), files_below(want / "imagedb"));
  EXPECT_EQ(read_file(got / "repositories.json"), read_file(want / "repositories.json"));
  EXPECT_TRUE(files_below(got / "layerdb/tmp").empty());
  EXPECT_FALSE(fs::exists(target_ / ".cairn-migration"));
}

TEST_P(MigrateTiny, ContainersKeepTheirConfiguration) {
  migrate(target_);
  size_t count = 0;
  for (const auto& entry : fs::directory_iterator(after_ / "containers")) {
    std::string want = read_file(entry.path() / "config.v2.json");
    if (std::string(GetParam().from) != GetParam().to) {
      const std::string driver = std::string("\"Driver\":\"") + GetParam().from + "\"";
      const size_t at = want.find(driver);
      ASSERT_NE(at, std::string::npos);
      want.replace(at, driver.size(), std::string("\"Driver\":\"") + GetParam().to + "\"");
    }
    EXPECT_EQ(read_file(target_ / "containers" / entry.path().filename() / "config.v2.json"), want);
    ++count;
  }
  EXPECT_EQ(count, 2u);
}

TEST_P(MigrateTiny, EveryLayerShowsTheTreeOfTheSource) {
  const auto report = migrate(target_);
  const auto source = open_driver(before_, GetParam().from), driver = open_driver(target_, GetParam().to);
  size_t compared = 0;
  for (const auto& layer : report.layers) {
    const auto changes = changes_between(driver->tree(LayerId(layer.cache_id)), source->tree(LayerId(layer.source_id)),
                                         {.rule = Compare::exact});
    for (const auto& change : changes)
      ADD_FAILURE() << layer.source_id << ": " << static_cast<char>(change.kind) << " " << change.path;
    ++compared;
  }
  EXPECT_EQ(compared, 12u);
  for (const auto& container : report.containers) {
    const auto changes = changes_between(driver->tree(LayerId(container.id)), source->tree(LayerId(container.id)),
                                         {.rule = Compare::exact});
    for (const auto& change : changes) ADD_FAILURE() << container.id << ": " << change.path;
  }
}

TEST_P(MigrateTiny, ASecondRunFindsEverythingThereAndChangesNothing) {
  migrate(target_);
  const auto once = files_below(target_);
  const auto report = migrate(target_);
  EXPECT_TRUE(report.complete());
  for (const auto& item : report.images) EXPECT_EQ(item.status, "exists") << item.source_id;
  EXPECT_EQ(report.bytes_hashed, 0u);
  EXPECT_EQ(files_below(target_), once);
}

TEST_P(MigrateTiny, VerifyFindsAFileChangedInTheTarget) {
  const auto report = migrate(target_, {.verify = true});
  EXPECT_TRUE(report.damage.empty());
  const auto driver = open_driver(target_, GetParam().to);
  bool spoiled = false;
  for (const auto& layer : report.layers) {  // an image layer that has app/app.txt of its own
    const auto node = driver->tree(LayerId(layer.cache_id)).find("etc/release");
    if (spoiled || !node) continue;
    const auto path = "/proc/self/fd/" + std::to_string(node->source_dir()) + "/" + node->source_name();
    const std::string text = read_file(path);
    fs::remove(path);
    test::write_file(path, std::string(text.size(), '!'));
    spoiled = true;
  }
  ASSERT_TRUE(spoiled);
  EXPECT_FALSE(migrate(target_, {.verify = true}).damage.empty());
}

TEST_P(MigrateTiny, ThePlanKnowsWhatIsCopiedAndWhatIsLinked) {
  test::write_file(before_ / "volumes/big/_data/file", std::string(3 << 20, 'v'));
  const auto graph = open_legacy(before_, GetParam().from);
  const auto source_driver = open_driver(before_, GetParam().from), driver = open_driver(target_, GetParam().to);
  const auto metadata = open_metadata(target_, GetParam().to);
  const MigrationSource source{before_, *graph, *source_driver};
  const MigrationTarget to{target_, *driver, *metadata, {}};
  const auto plan = plan_migration(source, to, {.jobs = 2});
  uint64_t parts = 0;
  for (const auto& one : plan.containers) {
    EXPECT_GT(one.bytes, 0u) << one.id;
    parts += one.bytes;
  }
  for (const auto& one : plan.state) parts += one.bytes;
  EXPECT_GE(parts, 3u << 20);
  EXPECT_EQ(plan.bytes_to_copy, plan.links == LinkKind::reflink ? 0 : parts);
  EXPECT_GT(plan.seconds, 0);
  const auto without = plan_migration(source, to, {.containers = false});
  EXPECT_EQ(without.bytes_to_copy, 0u);
  EXPECT_LT(without.seconds, plan.seconds);
  for (const auto& layer : plan.layers) EXPECT_EQ(layer.parent, graph->image(layer.source_id)->parent.value_or(""));
}

// Counts what a run tells of itself.
class Counting : public NoProgress {
 public:
  void total(uint64_t all_bytes, uint64_t all_items) override { bytes_total = all_bytes, items_total = all_items; }
  void advance(uint64_t n) override { bytes += n; }
  void files(uint64_t n) override { file_count += n; }
  void item_done() override { ++items; }
  std::atomic<uint64_t> bytes_total{0}, items_total{0}, bytes{0}, file_count{0}, items{0};
};

TEST_P(MigrateTiny, WhatItTellsOnTheWayAddsUp) {
  const auto graph = open_legacy(before_, GetParam().from);
  const auto source_driver = open_driver(before_, GetParam().from), driver = open_driver(target_, GetParam().to);
  const auto metadata = open_metadata(target_, GetParam().to);
  const MigrationSource source{before_, *graph, *source_driver};
  const MigrationTarget to{target_, *driver, *metadata, {}};
  for (const bool again : {false, true}) {
    Counting told;
    const MigrateOptions options{.verify = true, .jobs = 2};
    run_migration(plan_migration(source, to, options), source, to, options, told);
    EXPECT_EQ(told.items, told.items_total) << again;
    EXPECT_EQ(told.file_count > 20, !again);
    EXPECT_GT(told.bytes, 0u);
  }
}

TEST_P(MigrateTiny, AForeignTargetIsRefused) {
  test::write_file(target_ / "something", "of the user's");
  try {
    migrate(target_);
    FAIL() << "it was written to";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::already_exists);
    EXPECT_THAT(e.what(), testing::HasSubstr("neither empty nor an earlier migration"));
  }
}

TEST_P(MigrateTiny, OneChosenImageBringsItsAncestorsOnly) {
  const auto graph = open_legacy(before_, GetParam().from);
  const LegacyImage* child = nullptr;
  for (const auto& image : graph->images())
    if (image.parent) child = &image;
  ASSERT_NE(child, nullptr);
  std::set<std::string> line;
  for (const LegacyImage* at = child; at; at = at->parent ? graph->image(*at->parent) : nullptr) line.insert(at->id);
  const auto report = migrate(target_, {.containers = false, .images = {child->id}});
  std::set<std::string> migrated;
  for (const auto& item : report.images) migrated.insert(item.source_id);
  EXPECT_EQ(migrated, line);
  EXPECT_TRUE(report.containers.empty());
}

INSTANTIATE_TEST_SUITE_P(, MigrateTiny,
                         testing::Values(Pair{"vfs", "overlay2"}, Pair{"vfs", "vfs"}, Pair{"overlay", "overlay2"},
                                         Pair{"overlay", "vfs"}),
                         [](const auto& test) { return std::string(test.param.from) + "_to_" + test.param.to; });

class MigrateTinyInPlace : public testing::TestWithParam<const char*> {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "needs root: layers keep their owners";
    const std::string name = std::string("tiny-1.9.1-") + GetParam();
    root_ = test::unpack_fixture(name + "-before", dir_ / "before");
    after_ = test::unpack_fixture(name + "-after-1.10.3", dir_ / "after");
  }
  MigrationReport migrate(bool remove = false) {
    const auto graph = open_legacy(root_, GetParam());
    const auto driver = open_driver(root_, GetParam());
    const auto metadata = open_metadata(root_, GetParam());
    const MigrationSource source{root_, *graph, *driver};
    const MigrationTarget target{root_, *driver, *metadata, {}};
    const MigrateOptions options{.in_place = true, .verify = true, .jobs = 2};
    NoProgress quiet;
    auto report = run_migration(plan_migration(source, target, options), source, target, options, quiet);
    if (remove) remove_source(source, target, report);
    return report;
  }
  test::TempDir dir_;
  fs::path root_, after_;
};

TEST_P(MigrateTinyInPlace, AddsWhatDocker1103AddedAndTouchesNothingElse) {
  const auto before = files_below(root_);
  const auto report = migrate();
  EXPECT_TRUE(report.complete());
  EXPECT_EQ(report.bytes_copied, 0u);
  const auto now = files_below(root_);
  for (const auto& [name, content] : before) {
    ASSERT_TRUE(now.contains(name)) << name;
    EXPECT_EQ(now.at(name), content) << name;
  }
  auto want = files_below(after_ / "image"), got = files_below(root_ / "image");
  EXPECT_EQ(got, want);
  for (const char* name : {".migration-v1-images.json", ".migration-v1-tags"})
    EXPECT_EQ(read_file(root_ / name), read_file(after_ / name));
  for (const auto& entry : fs::directory_iterator(after_ / "containers"))
    EXPECT_EQ(read_file(root_ / "containers" / entry.path().filename() / "config.v2.json"),
              read_file(entry.path() / "config.v2.json"));
  EXPECT_FALSE(fs::exists(root_ / ".cairn-migration"));
}

TEST_P(MigrateTinyInPlace, RemovingTheSourceLeavesACompleteStore) {
  const auto report = migrate(true);
  EXPECT_FALSE(fs::exists(root_ / "graph"));
  EXPECT_FALSE(fs::exists(root_ / (std::string("repositories-") + GetParam())));
  const auto driver = open_driver(root_, GetParam());
  const auto metadata = open_metadata(root_, GetParam());
  std::vector<Damage> damage;
  EXPECT_EQ(metadata->layers().list(&damage).size(), 11u);
  EXPECT_TRUE(damage.empty());
  for (const auto& layer : metadata->layers().list()) EXPECT_NO_THROW(driver->tree(layer.cache_id).root().children());
  EXPECT_EQ(metadata->images().list().size(),
            files_below(after_ / "image" / GetParam() / "imagedb/content/sha256").size());
}

TEST_P(MigrateTinyInPlace, AnIncompleteMigrationRemovesNothing) {
  const auto graph = open_legacy(root_, GetParam());
  const auto id = graph->images()[0].id;
  test::write_file(root_ / "graph" / id / "json", "");
  EXPECT_THROW(migrate(true), Error);
  EXPECT_TRUE(fs::exists(root_ / "graph" / id));
}

INSTANTIATE_TEST_SUITE_P(, MigrateTinyInPlace, testing::Values("vfs", "overlay"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace cairn
