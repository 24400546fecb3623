#include "graphdb/scan/scan.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "core/util/error.h"
#include "graphdb/legacy/legacy_graph.h"
#include "graphdb/scan/usage.h"
#include "tests/graphdb/content_builder.h"
#include "tests/graphdb/legacy_builder.h"
#include "tests/support/fixtures.h"

namespace cairn {
namespace {

using test::ContentRoot;
using test::hex_id;
using test::LegacyRoot;
using test::write_file;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;
namespace fs = std::filesystem;

const std::string kA = hex_id('a'), kB = hex_id('b'), kC = hex_id('c');

RootScan scan(const fs::path& root) { return scan_root(root, {2, true}); }

std::vector<std::string> kinds(const RootScan& scanned) {
  std::vector<std::string> out;
  for (const auto& driver : scanned.drivers)
    for (const auto& one : driver.damage) out.push_back(one.kind);
  return out;
}

TEST(Scan, EmptyAndAbsentRoots) {
  const test::TempDir dir;
  const auto empty = scan(dir.path());
  EXPECT_EQ(empty.layout, "empty");
  EXPECT_THAT(empty.drivers, IsEmpty());
  EXPECT_EQ(empty.engine, "");
  try {
    scan(dir / "absent");
    FAIL() << "an absent root was scanned";
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::not_found);
  }
}

TEST(Scan, GraphIsCountedPerDriver) {
  LegacyRoot root;
  root.image(kA);
  root.image(kB, kA);
  root.image(kC, hex_id('9'));
  root.container(hex_id('1'), kB, "/web");
  root.put("repositories-vfs", R"({"Repositories":{"x/y":{"1":")" + kB + R"("}}})");
  root.put("init/dockerinit-1.6.2", "");
  const auto found = scan(root.path());
  EXPECT_EQ(found.layout, "graph");
  ASSERT_THAT(found.drivers, SizeIs(1));
  EXPECT_EQ(found.drivers[0].name, "vfs");
  EXPECT_EQ(found.drivers[0].layout, "graph");
  EXPECT_EQ(found.drivers[0].images, 2u);
  EXPECT_EQ(found.drivers[0].layers, 3u);
  EXPECT_EQ(found.drivers[0].containers, 1u);
  EXPECT_EQ(found.drivers[0].repositories.at("x/y").at("1"), kB);
  EXPECT_THAT(kinds(found), ElementsAre("parent-missing"));
  EXPECT_EQ(found.engine, "1.6.2 to 1.9");
  EXPECT_THAT(found.evidence, Contains("init/dockerinit-1.6.2: 1.6.2 or later"));
}

TEST(Scan, ContentIsCountedPerDriver) {
  ContentRoot root;
  const auto base = root.layer("base");
  const auto top = root.layer("top", base.chain);
  const ImageId app = root.image_of({base.diff, top.diff});
  root.store().references().update({{"app:1", app}}, {});
  root.container(kA, app, top.chain);
  const auto vfs = open_metadata(root.path(), "vfs");
  vfs->prepare();
  root.put("engine-id", "x");
  const auto found = scan(root.path());
  EXPECT_EQ(found.layout, "content-addressed");
  ASSERT_THAT(found.drivers, SizeIs(2));
  const DriverScan& overlay2 = found.drivers[0];
  EXPECT_EQ(overlay2.name, "overlay2");
  EXPECT_EQ(overlay2.images, 1u);
  EXPECT_EQ(overlay2.layers, 2u);
  EXPECT_EQ(overlay2.containers, 1u);
  EXPECT_GT(overlay2.bytes, 4u * 4096);
  EXPECT_EQ(overlay2.repositories.at("app").at("app:1"), app.str());
  EXPECT_EQ(found.drivers[1].images, 0u);
  EXPECT_EQ(found.drivers[1].bytes, 0u);
  EXPECT_THAT(kinds(found), IsEmpty());
  EXPECT_EQ(found.engine, "23.0 or later");
}

TEST(Scan, BothLayoutsOfOneDriverAreTwoEntries) {
  LegacyRoot root;
  root.image(kA);
  root.put("repositories-vfs", "{}");
  open_metadata(root.path(), "vfs")->prepare();
  const auto found = scan(root.path());
  EXPECT_EQ(found.layout, "mixed");
  ASSERT_THAT(found.drivers, SizeIs(2));
  EXPECT_EQ(found.drivers[0].layout, "content-addressed");
  EXPECT_EQ(found.drivers[1].layout, "graph");
  EXPECT_EQ(found.drivers[1].images, 1u);
  EXPECT_EQ(found.drivers[0].bytes, found.drivers[1].bytes);
}

struct LaterFailure {
  const char* name;
  void (*harm)(const fs::path& root, const fs::path& top_record);  // two layers, a container
  std::vector<std::string> kinds;
};
class ScanLaterFailure : public testing::TestWithParam<LaterFailure> {};

TEST_P(ScanLaterFailure, IsNamed) {
  ContentRoot root;
  const auto base = root.layer("base");
  const auto top = root.layer("top", base.chain);
  root.container(kA, root.image_of({base.diff, top.diff}), top.chain);
  ASSERT_THAT(kinds(scan(root.path())), IsEmpty());
  GetParam().harm(root.path(), root.layer_dir(top.chain));
  EXPECT_THAT(kinds(scan(root.path())), testing::UnorderedElementsAreArray(GetParam().kinds));
}
INSTANTIATE_TEST_SUITE_P(
    , ScanLaterFailure,
    testing::Values(
        LaterFailure{
            "tar_split_missing", [](auto&, auto& p) { fs::remove(p / "tar-split.json.gz"); }, {"tar-split-missing"}},
        LaterFailure{
            "tar_split_empty", [](auto&, auto& p) { write_file(p / "tar-split.json.gz", ""); }, {"tar-split-empty"}},
        LaterFailure{"diff_of_another_layer",
                     [](auto&, auto& p) { write_file(p / "diff", Digest::of("x").str()); },
                     {"layer-chain-mismatch"}},
        LaterFailure{"layer_gone",
                     [](auto& r, auto&) { fs::remove_all(r / "overlay2/top"); },
                     {"driver-layer-missing", "overlay2-lower-dangling", "overlay2-lower-dangling"}},
        LaterFailure{"layer_is_a_link",
                     [](auto& r, auto&) {
                       fs::remove_all(r / "overlay2/top");
                       fs::create_symlink("/etc", r / "overlay2/top");
                     },
                     {"driver-layer-missing", "overlay2-lower-dangling", "overlay2-lower-dangling"}},
        LaterFailure{
            "link_missing", [](auto& r, auto&) { fs::remove(r / "overlay2/top/link"); }, {"overlay2-link-missing"}},
        LaterFailure{
            "link_empty", [](auto& r, auto&) { write_file(r / "overlay2/top/link", ""); }, {"overlay2-link-empty"}},
        LaterFailure{"link_with_newline",
                     [](auto& r, auto&) { write_file(r / "overlay2/top/link", "LINKtop\n"); },
                     {"overlay2-link-invalid"}},
        LaterFailure{"link_is_a_path",
                     [](auto& r, auto&) { write_file(r / "overlay2/top/link", "../../etc"); },
                     {"overlay2-link-invalid"}},
        LaterFailure{
            "short_names_lost",
            [](auto& r, auto&) { fs::remove_all(r / "overlay2/l"); },
            {"overlay2-link-dangling", "overlay2-link-dangling", "overlay2-link-dangling", "overlay2-link-dangling",
             "overlay2-lower-dangling", "overlay2-lower-dangling", "overlay2-lower-dangling"}},
        LaterFailure{"short_name_of_another_layer",
                     [](auto& r, auto&) {
                       fs::remove(r / "overlay2/l/LINKtop");
                       fs::create_symlink("../base/diff", r / "overlay2/l/LINKtop");
                     },
                     {"overlay2-link-dangling"}},
        LaterFailure{
            "lower_missing", [](auto& r, auto&) { fs::remove(r / "overlay2/top/lower"); }, {"overlay2-lower-missing"}},
        LaterFailure{
            "lower_empty", [](auto& r, auto&) { write_file(r / "overlay2/top/lower", ""); }, {"overlay2-lower-empty"}},
        LaterFailure{"lower_is_a_path",
                     [](auto& r, auto&) { write_file(r / "overlay2/top/lower", "/etc:l/LINKbase"); },
                     {"overlay2-lower-invalid"}},
        LaterFailure{"container_layer_gone",
                     [](auto& r, auto&) { fs::remove_all(r / "overlay2" / ("rw-" + kA)); },
                     {"driver-layer-missing"}},
        LaterFailure{"names_empty",
                     [](auto& r, auto&) { write_file(r / "image/overlay2/repositories.json", ""); },
                     {"repositories-invalid"}}),
    [](const auto& test) { return std::string(test.param.name); });

TEST(ScanHints, TellWhatElseLiesThere) {
  LegacyRoot root("overlay");
  root.image(kA);
  fs::create_directories(root.path() / "231072.231072/image");
  fs::create_directories(root.path() / "1.5");
  fs::create_directories(root.path() / "containerd/daemon/io.containerd.snapshotter.v1.overlayfs/snapshots/1");
  root.put("volumes/" + kB + "/config.json", "{}");
  fs::create_directories(root.path() / "vfs/dir" / kB);
  const auto found = scan(root.path());
  EXPECT_THAT(found.remapped, ElementsAre("231072.231072"));
  ASSERT_THAT(found.hints, SizeIs(2));
  EXPECT_THAT(found.hints[0], HasSubstr("must not be deleted"));
  EXPECT_THAT(found.hints[1], HasSubstr("containerd/"));
}

TEST(ScanHints, GraphOlderThanDriversIsExplained) {
  LegacyRoot root("none");
  root.put("graph/" + kA + "/json", "{}");
  root.put("graph/" + kA + "/layer/file", "x");
  const auto found = scan(root.path());
  EXPECT_EQ(found.layout, "graph");
  EXPECT_THAT(found.drivers, IsEmpty());
  ASSERT_THAT(found.hints, SizeIs(1));
  EXPECT_THAT(found.hints[0], HasSubstr("0.7 to 1.9 with aufs"));
}

TEST(ScanUsage, VolumesInVfsAreNotLayers) {
  LegacyRoot root;
  root.image(kA);
  const uint64_t before = scan(root.path()).drivers[0].bytes;
  root.put("volumes/" + kB + "/config.json", "{}");
  root.put("vfs/dir/" + kB + "/data", std::string(100000, 'x'));
  EXPECT_EQ(scan(root.path()).drivers[0].bytes, before);
}

class UsageTest : public testing::Test {
 protected:
  uint64_t usage(const std::vector<std::string>& except = {}) {
    ::sync();  // blocks of new files are allocated when they are written out
    const Fd root(::open(dir_.path().c_str(), O_RDONLY | O_DIRECTORY));
    return disk_usage(root.get(), {"d", "absent"}, except, 2);
  }
  uint64_t du() {
    FILE* pipe = ::popen(("du -s -B1 " + (dir_ / "d").string()).c_str(), "r");
    unsigned long long bytes = 0;
    EXPECT_EQ(std::fscanf(pipe, "%llu", &bytes), 1);
    ::pclose(pipe);
    struct stat st;
    EXPECT_EQ(::stat((dir_ / "d").c_str(), &st), 0);
    return bytes - static_cast<uint64_t>(st.st_blocks) * 512;  // the folder of layers is no layer
  }
  test::TempDir dir_;
};

TEST_F(UsageTest, AgreesWithDuOnLinksHolesAndFolders) {
  write_file(dir_ / "d/one/file", std::string(70000, 'x'));
  write_file(dir_ / "d/two/sub/sub/other", std::string(5000, 'y'));
  fs::create_hard_link(dir_ / "d/one/file", dir_ / "d/two/same");
  fs::create_hard_link(dir_ / "d/one/file", dir_ / "d/one/same");
  fs::create_symlink("/usr", dir_ / "d/two/link");
  write_file(dir_ / "d/sparse", "");
  ASSERT_EQ(::truncate((dir_ / "d/sparse").c_str(), 1 << 30), 0);
  EXPECT_EQ(usage(), du());
  EXPECT_GT(usage(), 75000u);
  EXPECT_LT(usage({"one", "two"}), 75000u);
}

TEST_F(UsageTest, DepthCostsNeitherDescriptorsNorStack) {
  fs::create_directories(dir_ / "d");
  int at = ::open((dir_ / "d").c_str(), O_RDONLY | O_DIRECTORY);
  for (int i = 0; i < 3000; ++i) {
    ASSERT_EQ(::mkdirat(at, "a", 0755), 0);
    const int next = ::openat(at, "a", O_RDONLY | O_DIRECTORY);
    ::close(at);
    at = next;
  }
  ::close(at);
  EXPECT_NO_THROW(usage());
  const Fd root = open_dir(dir_.path().string());
  remove_tree_at(root.get(), "d");
}

class ScanTree : public testing::TestWithParam<const char*> {};

TEST_P(ScanTree, OfAnEngineIsWhole) {
  for (const std::string archive : {"before", "after-1.10.3"}) {
    const test::TempDir dir;
    const auto found = scan(test::unpack_fixture(std::string("tiny-1.9.1-") + GetParam() + "-" + archive, dir.path()));
    EXPECT_THAT(kinds(found), IsEmpty()) << archive;
    EXPECT_EQ(found.layout, archive == "before" ? "graph" : "mixed");
    EXPECT_EQ(found.engine, archive == "before" ? "1.9" : "1.10 or later");
    for (const auto& driver : found.drivers) {
      EXPECT_EQ(driver.name, GetParam());
      EXPECT_EQ(driver.containers, 2u);
      EXPECT_GT(driver.bytes, 0u);
    }
    EXPECT_EQ(found.drivers.back().images, 12u);
    if (archive != "before") {
      EXPECT_EQ(found.drivers[0].layers, 11u);
    }
  }
}
INSTANTIATE_TEST_SUITE_P(, ScanTree, testing::Values("vfs", "overlay"),
                         [](const auto& test) { return std::string(test.param); });

}  // namespace
}  // namespace cairn
