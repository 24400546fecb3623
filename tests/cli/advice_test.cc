#include "cli/advice.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/wiring.h"

namespace cairn {
namespace {

using testing::AllOf;
using testing::Contains;
using testing::HasSubstr;
using testing::Not;

RootScan root_with(const std::vector<DriverScan>& drivers, const std::string& root = "/srv/docker") {
  RootScan scan;
  scan.root = root;
  scan.drivers = drivers;
  return scan;
}

DriverScan driver(const std::string& name, const std::string& layout = "content-addressed") {
  DriverScan out;
  out.name = name;
  out.layout = layout;
  out.images = 2;
  return out;
}

const Surroundings kUsual{.usable = {"overlay2", "vfs"}, .unusable = {{"btrfs", "not on btrfs"}}};

std::string commands(const Advice& advice) {
  std::string out;
  for (const auto& step : advice.steps) out += step.command + "\n";
  return out;
}

struct Case {
  const char* name;
  std::vector<DriverScan> drivers;
  Surroundings here;
  std::string migrate;  // the first step's command, without --dry-run; "" where nothing is to be done
};

class Advised : public testing::TestWithParam<Case> {};

TEST_P(Advised, Way) {
  const Advice advice = advise(root_with(GetParam().drivers), GetParam().here);
  EXPECT_FALSE(advice.why.empty());
  EXPECT_EQ(advice.way.has_value(), !GetParam().migrate.empty());
  EXPECT_EQ(advice.steps.empty() ? "" : advice.steps[0].command,
            GetParam().migrate.empty() ? "" : GetParam().migrate + " --dry-run");
}

INSTANTIATE_TEST_SUITE_P(
    , Advised,
    testing::Values(Case{"nothing", {}, kUsual, ""}, Case{"a_current_store_stays", {driver("overlay2")}, kUsual, ""},
                    Case{"vfs_works_too", {driver("vfs")}, kUsual, ""},
                    Case{"a_plugins_store_stays", {driver("my-plugin")}, kUsual, ""},
                    Case{"a_removed_driver",
                         {driver("aufs")},
                         kUsual,
                         "cairn migrate /srv/docker --in-place --storage-driver overlay2"},
                    Case{"a_driver_that_fails_here",
                         {driver("btrfs")},
                         kUsual,
                         "cairn migrate /srv/docker --in-place --storage-driver overlay2"},
                    Case{"an_old_graph",
                         {driver("aufs", "graph")},
                         kUsual,
                         "cairn migrate /srv/docker --in-place --storage-driver overlay2"},
                    Case{"an_old_graph_of_the_best_driver",
                         {driver("btrfs", "graph")},
                         {.usable = {"btrfs", "vfs"}},
                         "cairn migrate /srv/docker --in-place"},
                    Case{"several_drivers",
                         {driver("overlay2"), driver("aufs")},
                         kUsual,
                         "cairn migrate /srv/docker --in-place --storage-driver overlay2"},
                    Case{"one_of_several",
                         {driver("aufs")},
                         {.usable = {"overlay2"}, .only = "aufs"},
                         "cairn migrate /srv/docker --in-place --source-driver aufs --storage-driver overlay2"},
                    Case{"where_engines_look",
                         {driver("aufs")},
                         {.usable = {"overlay2"}, .is_new_root = true, .new_root_is_free = true},
                         "cairn migrate /srv/docker --in-place --storage-driver overlay2"},
                    Case{"a_free_machine",
                         {driver("aufs")},
                         {.usable = {"overlay2"}, .new_root_is_free = true},
                         "cairn migrate /srv/docker --to /var/lib/docker --storage-driver overlay2"},
                    Case{"a_read_only_disk",
                         {driver("aufs")},
                         {.usable = {"overlay2"}, .read_only = true},
                         "cairn migrate /srv/docker --to NEW-ROOT --storage-driver overlay2"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(Advice, WhatWasMigratedInPlaceIsNotMigratedAgain) {
  DriverScan graph = driver("vfs", "graph");
  graph.taken_over_images = graph.images;
  const Advice advice = advise(root_with({driver("vfs"), graph}), kUsual);
  EXPECT_FALSE(advice.way);
  EXPECT_EQ(commands(advice), "cairn migrate /srv/docker --in-place --remove-source\n");
  graph.containers = 1;
  EXPECT_TRUE(advise(root_with({driver("vfs"), graph}), kUsual).way);
  graph.containers = 0, graph.taken_over_images = 1;
  EXPECT_THAT(advise(root_with({driver("vfs"), graph}), kUsual).why, HasSubstr("began to migrate"));
}

TEST(Advice, RootsOfEnginesWithUserNamespacesAreLookedAtByThemselves) {
  RootScan scan = root_with({}, "/var/lib/docker");
  scan.remapped = {"100000.100000", "231072.231072"};
  EXPECT_EQ(commands(advise(scan, kUsual)),
            "cairn scan /var/lib/docker/100000.100000\ncairn scan /var/lib/docker/231072.231072\n");
  Surroundings here{.usable = {"overlay2"}, .new_root_is_free = true, .new_root = "/var/lib/docker/100000.100000"};
  EXPECT_THAT(commands(advise(root_with({driver("aufs")}, "/mnt/docker/100000.100000"), here)),
              HasSubstr(" --to /var/lib/docker/100000.100000 "));
}

TEST(Advice, AnEmptyDirectoryOfAnotherDriverIsNoStore) {
  DriverScan empty = driver("aufs");
  empty.images = 0;
  EXPECT_TRUE(advise(root_with({driver("overlay2"), empty}), kUsual).steps.empty());
}

TEST(Advice, ARunningEngineIsStoppedFirst) {
  Surroundings here = kUsual;
  here.engine = "dockerd, pid 12";
  const Advice advice = advise(root_with({driver("aufs")}), here);
  EXPECT_EQ(advice.steps.at(0).command, "systemctl stop docker");
  EXPECT_THAT(advice.steps[0].why, HasSubstr("pid 12"));
}

TEST(Advice, ASwitchCanBeUndoneOrEnded) {
  EXPECT_THAT(commands(advise(root_with({driver("aufs")}), kUsual)),
              AllOf(HasSubstr("--in-place --rollback\n"), HasSubstr("--in-place --remove-source\n")));
  // Where files are only added there is nothing to switch back.
  EXPECT_THAT(commands(advise(root_with({driver("vfs", "graph")}), {.usable = {"vfs"}})), Not(HasSubstr("--rollback")));
}

TEST(Advice, DevicemapperWithoutTheKernelsPoolsIsReadAllTheSame) {
  Surroundings here = kUsual;
  here.thin_pools = false;
  EXPECT_THAT(advise(root_with({driver("devicemapper")}), here).notes,
              Contains(HasSubstr("cairn reads the pool itself")));
  here.thin_pools = true;
  EXPECT_THAT(advise(root_with({driver("devicemapper")}), here).notes,
              AllOf(Not(Contains(HasSubstr("reads the pool itself"))), Contains(HasSubstr("dm.datadev"))));
}

TEST(Advice, SaysWhatDamageMeansAndWhyADriverIsNoChoice) {
  DriverScan damaged = driver("aufs");
  damaged.damage = {{"image-corrupt", "x", "y"}, {"image-corrupt", "z", "y"}};
  const auto notes = advise(root_with({damaged}), kUsual).notes;
  EXPECT_THAT(notes, Contains(HasSubstr("2 things are damaged")));
  EXPECT_THAT(notes, Contains("btrfs: not on btrfs"));
}

TEST(Advice, NothingToUseIsSaid) {
  const Advice advice = advise(root_with({driver("aufs")}), {.unusable = {{"overlay2", "no d_type"}}});
  EXPECT_FALSE(advice.way);
  EXPECT_TRUE(advice.steps.empty());
  EXPECT_THAT(advice.notes, Contains("overlay2: no d_type"));
}

TEST(ShellWord, IsOneWordToAShell) {
  EXPECT_EQ(shell_word("/var/lib/docker"), "/var/lib/docker");
  EXPECT_EQ(shell_word("/my disk/$HOME"), "'/my disk/$HOME'");
  EXPECT_EQ(shell_word("it's"), "'it'\\''s'");
  EXPECT_EQ(shell_word(""), "''");
}

}  // namespace
}  // namespace cairn
