// Layers that try to reach beyond their own directory. Each runs beside a victim, on the temporary directory's file
// system and on a tmpfs; whatever becomes of the layer, the victim must stay as it is and nothing of it may show up in
// the layer.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include <functional>

#include "core/archive/apply.h"
#include "core/util/error.h"
#include "tests/core/archive/listing.h"
#include "tests/support/fake_diff_target.h"
#include "tests/support/tar_builder.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_mount.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using test::RawEntry;
using test::TarBuilder;

constexpr const char* kSecret = "hello, victim";

struct Outcome {
  bool refused = false;
  std::string error{};
  Applied applied{};
  fs::path layer, base;

  Tree merged() const { return test::overlay_tree({layer, base}); }
  std::string read(const std::string& path) const {
    const auto node = merged().find(path, Tree::Last::follow);
    return node && !node->is_dir() ? read_all(*content_of(*node), 1 << 20) : "(absent)";
  }
  bool has(const std::string& path) const { return merged().find(path).has_value(); }
  ino_t inode(const std::string& path) const {
    const auto node = merged().find(path, Tree::Last::follow);
    return node ? node->st().st_ino : 0;
  }
};

enum class Want { refused, applied, either };
struct Breakout {
  const char* name;
  std::function<TarBuilder(const fs::path& outside)> layer;
  Want want;
  std::function<void(const Outcome&)> check = {};
  std::function<TarBuilder()> base = {};  // the layer below
};

void PrintTo(const Breakout& breakout, std::ostream* out) { *out << breakout.name; }

class BreakoutTest : public testing::TestWithParam<Breakout> {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "needs root for whiteouts";
  }

  static void apply(const fs::path& directory, const TarBuilder& tar, Outcome& outcome) {
    test::FakeDiffTarget target(directory);
    const auto source = read_from(tar.str());
    TarReader reader(*source);
    try {
      outcome.applied = apply_tar(reader, target);
    } catch (const Error& e) {
      outcome.refused = true;
      outcome.error = e.what();
    }
  }

  // Everything beside the layer, with times: a touched directory is a breakout, too.
  static test::TreeListing surroundings(const fs::path& outside) {
    auto all = test::list_directory(outside, {.times = true, .links = true});
    std::erase_if(all, [](const auto& item) { return item.first.starts_with("/dest/") || item.first.empty(); });
    return all;
  }

  static void run(const fs::path& outside) {
    const Breakout& breakout = GetParam();
    for (const char* name : {"victim", "dest-evil"}) {
      test::write_file(outside / name / "hello", kSecret);
      fs::permissions(outside / name / "hello", fs::perms(0600));
    }
    Outcome outcome{.layer = outside / "dest" / "layer", .base = outside / "dest" / "base"};
    Outcome ignored;
    apply(outcome.base, breakout.base ? breakout.base() : TarBuilder(), ignored);
    ASSERT_FALSE(ignored.refused) << ignored.error;
    fs::create_directories(outcome.layer);
    const auto before = surroundings(outside);
    apply(outcome.layer, breakout.layer(outside), outcome);
    EXPECT_EQ(surroundings(outside), before) << outcome.error;
    for (const char* name : {"/cairn-etc", "/cairn-run"}) EXPECT_FALSE(fs::exists(fs::symlink_status(name))) << name;
    struct stat victim, evil;
    ASSERT_EQ(0, ::stat((outside / "victim/hello").c_str(), &victim));
    ASSERT_EQ(0, ::stat((outside / "dest-evil/hello").c_str(), &evil));
    EXPECT_EQ(victim.st_nlink + evil.st_nlink, 2u);
    for (const auto& [path, text] : test::list_directory(outcome.layer))
      EXPECT_EQ(text.find(kSecret), std::string::npos) << path << " has the victim's content";
    EXPECT_EQ(outcome.refused && breakout.want == Want::applied, false) << outcome.error;
    EXPECT_EQ(!outcome.refused && breakout.want == Want::refused, false) << "was applied";
    if (!outcome.refused && breakout.check) breakout.check(outcome);
  }
  test::TempDir dir_;
};

TEST_P(BreakoutTest, LeavesTheVictimAlone) { run(dir_.path()); }

TEST_P(BreakoutTest, LeavesTheVictimAloneOnTmpfs) {
  try {
    const test::TestMount tmpfs("tmpfs", "mode=0755", dir_ / "mnt");
    run(dir_ / "mnt");
  } catch (const Error& e) {
    GTEST_SKIP() << "no tmpfs here: " << e.what();
  }
}

std::function<TarBuilder(const fs::path&)> tar(const TarBuilder& builder) {
  return [builder](const fs::path&) { return builder; };
}
std::function<TarBuilder()> base(const TarBuilder& builder) {
  return [builder] { return builder; };
}
std::string case_name(const testing::TestParamInfo<Breakout>& info) { return info.param.name; }

// P41, P65, P92, P93: names.
INSTANTIATE_TEST_SUITE_P(
    Names, BreakoutTest,
    testing::Values(
        Breakout{"DotDot", tar(TarBuilder().file("../victim/dotdot", "x")), Want::refused},
        Breakout{"SlashDotDot", tar(TarBuilder().file("/../victim/slash-dotdot", "x")), Want::applied,
                 [](const Outcome& out) { EXPECT_EQ(out.read("victim/slash-dotdot"), "x"); }},
        Breakout{"ParentItself", tar(TarBuilder().file("..", "x")), Want::refused},
        Breakout{"ParentAsDirectory", tar(TarBuilder().dir("../", 0777)), Want::refused},
        Breakout{"ParentAsLink", tar(TarBuilder().symlink("..", "victim")), Want::refused},
        Breakout{"Pwned", tar(TarBuilder().file("../pwned", "x")), Want::refused},
        Breakout{"PwnedTwice", tar(TarBuilder().file("../../pwned", "x")), Want::refused},
        Breakout{"HiddenInTheMiddle", tar(TarBuilder().file("a/b/../../../pwned", "x")), Want::refused},
        Breakout{"AbsoluteName", tar(TarBuilder().file("/cairn-etc/passwd", "x")), Want::applied,
                 [](const Outcome& out) { EXPECT_EQ(out.read("cairn-etc/passwd"), "x"); }},
        Breakout{"AbsoluteNameOfTheVictim",
                 [](const fs::path& outside) { return TarBuilder().file(outside / "victim/hello", "x"); },
                 Want::applied},
        Breakout{"RootReplacedByALink", tar(TarBuilder().symlink(".", "../victim").file("hello", "x")), Want::refused},
        Breakout{"EmptyNameAsLink", tar(TarBuilder().symlink("", "../victim").file("hello", "x")), Want::refused},
        Breakout{"ZeroByteInName",
                 [](const fs::path&) {
                   return TarBuilder().add({.name = "x", .pax = {{"path", std::string("../victim\0x", 11)}}});
                 },
                 Want::refused}),
    case_name);

// P43, P66: hard links; P93, P97, P98.
INSTANTIATE_TEST_SUITE_P(
    HardLinks, BreakoutTest,
    testing::Values(
        Breakout{"ToTheVictim", tar(TarBuilder().link("dotdot", "../victim/hello")), Want::refused},
        Breakout{"ToTheVictimFromRoot", tar(TarBuilder().link("slash-dotdot", "/../victim/hello")), Want::applied,
                 [](const Outcome& out) {
                   EXPECT_EQ(out.applied.links.at(0).target, "victim/hello") << "of a parent layer";
                 }},
        Breakout{"ThenWriteThrough", tar(TarBuilder().link("loophole", "../victim").file("loophole/hello", "x")),
                 Want::refused},
        Breakout{"ThenLinkThrough",
                 tar(TarBuilder().link("loophole", "../victim").symlink("symlink", "loophole/hello")), Want::refused},
        Breakout{"ThenHardLinkThrough",
                 tar(TarBuilder().link("loophole", "../victim").link("hardlink", "loophole/hello")), Want::refused},
        Breakout{"ThenReplace", tar(TarBuilder().link("loophole", "../victim").file("loophole", "x")), Want::refused},
        Breakout{"SiblingWithTheSamePrefix", tar(TarBuilder().link("steal", "../dest-evil/hello")), Want::refused},
        Breakout{"ThroughLinkToSibling",
                 tar(TarBuilder().symlink("d", "../../dest-evil").link("steal", "d/hello").file("dest-evil/x")),
                 Want::either,
                 [](const Outcome& out) {
                   EXPECT_TRUE(out.applied.links.size() == 1 && out.applied.links[0].target == "dest-evil/hello");
                 }},
        Breakout{"ToALinkNotItsTarget",
                 tar(TarBuilder().symlink("symlink1", "regfile").link("symlink2", "symlink1").file("regfile", "x")),
                 Want::applied, [](const Outcome& out) { EXPECT_EQ(out.read("symlink2"), "x"); }},
        Breakout{"ToALinkOutOfTheLayerWithAnotherMode",
                 [](const fs::path& outside) {
                   RawEntry link{.name = "l", .type = '1', .link = "s", .mode = 0777, .uid = 7, .mtime = 1};
                   return TarBuilder().symlink("s", outside / "victim/hello").add(link);
                 },
                 Want::applied},
        Breakout{"SourceThroughAbsoluteLink",
                 tar(TarBuilder()
                         .dir("cairn-run")
                         .file("cairn-run/f", "x")
                         .dir("var")
                         .symlink("var/run", "/cairn-run")
                         .link("l", "var/run/f")),
                 Want::applied, [](const Outcome& out) { EXPECT_EQ(out.inode("l"), out.inode("cairn-run/f")); }},
        Breakout{"AbsoluteTargetIsInside",
                 tar(TarBuilder().file("usr/bin/perl", "x").link("usr/bin/perlbug", "/usr/bin/perl")), Want::applied,
                 [](const Outcome& out) { EXPECT_EQ(out.inode("usr/bin/perlbug"), out.inode("usr/bin/perl")); }}),
    case_name);

// P44, P67: symbolic links; P94 to P97.
INSTANTIATE_TEST_SUITE_P(
    SymbolicLinks, BreakoutTest,
    testing::Values(
        Breakout{"ToTheVictim", tar(TarBuilder().symlink("dotdot", "../victim/hello").file("dotdot", "x")),
                 Want::applied},
        Breakout{"ToTheVictimFromRoot",
                 tar(TarBuilder().symlink("slash-dotdot", "/../victim/hello").file("slash-dotdot", "x")),
                 Want::applied},
        Breakout{"ThenWriteThrough", tar(TarBuilder().symlink("loophole", "../../victim").file("loophole/hello", "x")),
                 Want::applied, [](const Outcome& out) { EXPECT_EQ(out.read("victim/hello"), "x"); }},
        Breakout{"ThenWriteThroughAbsolute",
                 [](const fs::path& outside) {
                   return TarBuilder().symlink("loophole", outside / "victim").file("loophole/hello", "x");
                 },
                 Want::applied},
        Breakout{"ThenLinkThrough",
                 tar(TarBuilder().symlink("loophole", "../../victim").symlink("symlink", "loophole/hello")),
                 Want::applied},
        Breakout{"ThenHardLinkThrough",
                 tar(TarBuilder().symlink("loophole", "../../victim").link("hardlink", "loophole/hello")),
                 Want::applied, [](const Outcome& out) { EXPECT_EQ(out.applied.links.at(0).target, "victim/hello"); }},
        Breakout{"ThenReplace", tar(TarBuilder().symlink("loophole", "../../victim").file("loophole", "x")),
                 Want::applied},
        Breakout{"ThenMakeDirectories",
                 tar(TarBuilder().symlink("dir/loophole", "../../../victim").file("dir/loophole/newdir/newfile", "x")),
                 Want::applied, [](const Outcome& out) { EXPECT_EQ(out.read("victim/newdir/newfile"), "x"); }},
        Breakout{"DirectoryOverLink",
                 tar(TarBuilder().symlink("loophole", "../../victim").dir("loophole", 0777).file("loophole/x")),
                 Want::applied},
        Breakout{"ChainOfLinks",
                 tar(TarBuilder()
                         .dir("inner")
                         .symlink("inner/go_up", "..")
                         .symlink("inner/go_up/escape", "../../victim")
                         .file("inner/go_up/escape/x", "x")
                         .file("escape/hello", "x")),
                 Want::applied, [](const Outcome& out) { EXPECT_EQ(out.read("victim/x"), "x"); }},
        Breakout{"RelativeEscapeBeforeAbsolute",
                 tar(TarBuilder().symlink("a", "../../../victim").symlink("b", "/a").file("b/hello", "x")),
                 Want::applied},
        Breakout{"AbsoluteLinkWithTarget",
                 tar(TarBuilder().dir("cairn-run").symlink("var/run", "/cairn-run").file("var/run/lock/f", "x")),
                 Want::applied,
                 [](const Outcome& out) {
                   EXPECT_EQ(out.read("cairn-run/lock/f"), "x");
                   EXPECT_THAT(out.applied.implied_dirs, testing::Contains("cairn-run/lock"));
                 }},
        Breakout{"AbsoluteLinkWithoutTarget", tar(TarBuilder().symlink("var/run", "/cairn-run").file("var/run/f", "x")),
                 Want::applied, [](const Outcome& out) { EXPECT_EQ(out.read("cairn-run/f"), "x"); }},
        Breakout{"DanglingRelativeUp", tar(TarBuilder().symlink("a/b/l", "../../x/../../../y").file("a/b/l/f", "x")),
                 Want::applied, [](const Outcome& out) { EXPECT_EQ(out.read("y/f"), "x"); }},
        Breakout{"Loop", tar(TarBuilder().symlink("a", "b").symlink("b", "a").file("a/x")), Want::refused},
        Breakout{"MagicLinks",
                 tar(TarBuilder()
                         .symlink("p", "/proc/self/root")
                         .file("p/cairn-etc/x")
                         .symlink("q", "/proc/self/cwd")
                         .file("q/x")),
                 Want::applied},
        Breakout{"LowerLayersLink", tar(TarBuilder().file("var/run/lock/f", "x")), Want::applied,
                 [](const Outcome& out) { EXPECT_THAT(out.applied.implied_dirs, testing::Contains("var/run")); },
                 base(TarBuilder().symlink("var/run", "../../../victim"))},
        Breakout{"LinkTargetIsKept", tar(TarBuilder().symlink("l", "a//b/../c/./d/")), Want::applied,
                 [](const Outcome& out) { EXPECT_EQ(out.merged().find("l")->link_target(), "a//b/../c/./d/"); }}),
    case_name);

// What is done to a path when all entries are there must not follow what has become of it.
INSTANTIATE_TEST_SUITE_P(
    Afterwards, BreakoutTest,
    testing::Values(
        Breakout{
            "TimesOfADirectoryThatBecameALink",
            tar(TarBuilder().add({.name = "d/e", .type = '5', .mode = 0755, .mtime = 1}).symlink("d", "../../victim")),
            Want::applied},
        Breakout{"WhiteoutInADirectoryThatBecameALink",
                 tar(TarBuilder().file("d/.wh.hello").symlink("d", "../../victim")), Want::applied},
        Breakout{"OpaqueDirectoryThatBecameALink",
                 tar(TarBuilder().file("d/.wh..wh..opq").symlink("d", "../../victim")), Want::applied},
        Breakout{
            "LinkThatBecameADirectory",
            tar(TarBuilder().symlink("d", "../../victim").file("d/.wh.hello").file("d/x").dir("d").file("d/.wh.hello")),
            Want::applied},
        Breakout{"KnownDirectoryReplaced",
                 tar(TarBuilder().dir("d").file("d/a").file(".wh.d").symlink("d", "../../victim").file("d/hello", "x")),
                 Want::applied}),
    case_name);

TarBuilder etc() { return TarBuilder().dir("cairn-etc").file("cairn-etc/passwd", "inside"); }
void etc_is_whole(const Outcome& out) { EXPECT_EQ(out.read("cairn-etc/passwd"), "inside"); }

// The cases of containerd's list that moby's has not.
INSTANTIATE_TEST_SUITE_P(Containerd, BreakoutTest, testing::Values(
    Breakout{"SymlinkAbsolute", tar(TarBuilder().dir("cairn-etc").symlink("localetc", "/cairn-etc").file("/localetc/unbroken", "u")), Want::applied,
             [](const Outcome& out) { EXPECT_EQ(out.read("cairn-etc/unbroken"), "u"); }},
    Breakout{"SymlinkUpAndOut", tar(TarBuilder().dir("cairn-etc").dir("dummy").symlink("localetc", "/dummy/../cairn-etc").file("/localetc/unbroken", "u")),
             Want::applied, [](const Outcome& out) { EXPECT_EQ(out.read("cairn-etc/unbroken"), "u"); }},
    Breakout{"SymlinkMultipleAbsolute", tar(TarBuilder().dir("cairn-etc").dir("dummy").symlink("/dummy/cairn-etc", "/cairn-etc").symlink("localetc", "/dummy/cairn-etc")
                                                .file("/localetc/unbroken", "u")), Want::applied,
             [](const Outcome& out) { EXPECT_EQ(out.read("cairn-etc/unbroken"), "u"); }},
    Breakout{"SymlinkMultipleRelative", tar(TarBuilder().dir("cairn-etc").dir("dummy").symlink("/dummy/cairn-etc", "/cairn-etc").symlink("localetc", "./dummy/cairn-etc")
                                                .file("/localetc/unbroken", "u")), Want::applied,
             [](const Outcome& out) { EXPECT_EQ(out.read("cairn-etc/unbroken"), "u"); }},
    Breakout{"SymlinkEmptyFile", tar(TarBuilder().file("cairn-etc/emptied", "notempty").symlink("localetc", "/cairn-etc").file("/localetc/emptied")),
             Want::applied, [](const Outcome& out) { EXPECT_EQ(out.read("cairn-etc/emptied"), ""); }},
    Breakout{"HardlinkRelative", tar(etc().dir("breakouts").symlink("breakouts/d1", "../../cairn-etc").link("breakouts/mypasswd", "/breakouts/d1/passwd")),
             Want::applied, [](const Outcome& out) { EXPECT_EQ(out.inode("breakouts/mypasswd"), out.inode("cairn-etc/passwd")); }},
    Breakout{"HardlinkDownAndOut", tar(etc().dir("breakouts").dir("downandout").symlink("breakouts/d1", "../downandout/../../cairn-etc")
                                           .link("breakouts/mypasswd", "/breakouts/d1/passwd")), Want::applied,
             [](const Outcome& out) { EXPECT_EQ(out.inode("breakouts/mypasswd"), out.inode("cairn-etc/passwd")); }},
    Breakout{"HardlinkAbsolute", tar(etc().symlink("localetc", "/cairn-etc").link("localpasswd", "/localetc/passwd")), Want::applied,
             [](const Outcome& out) { EXPECT_EQ(out.inode("localpasswd"), out.inode("cairn-etc/passwd")); }},
    Breakout{"HardlinkRelativeLong", tar(etc().symlink("localetc", "../../../../../../../cairn-etc").link("localpasswd", "/localetc/passwd")), Want::applied,
             [](const Outcome& out) { EXPECT_EQ(out.inode("localpasswd"), out.inode("cairn-etc/passwd")); }},
    Breakout{"HardlinkRelativeUpAndOut", tar(etc().dir("upandout").symlink("localetc", "upandout/../../../cairn-etc").link("localpasswd", "/localetc/passwd")),
             Want::applied, [](const Outcome& out) { EXPECT_EQ(out.inode("localpasswd"), out.inode("cairn-etc/passwd")); }},
    Breakout{"HardlinkDirectRelative", tar(etc().link("localpasswd", "../../../../../cairn-etc/passwd")), Want::refused},
    Breakout{"HardlinkDirectAbsolute", tar(etc().link("localpasswd", "/cairn-etc/passwd")), Want::applied,
             [](const Outcome& out) { EXPECT_EQ(out.inode("localpasswd"), out.inode("cairn-etc/passwd")); }},
    Breakout{"SymlinkParentDirectory", tar(etc().symlink("..", "/cairn-etc/").link("localpasswd", "/cairn-etc/passwd")), Want::refused},
    Breakout{"SymlinkEmptyFilename", tar(etc().symlink("", "/cairn-etc/").link("localpasswd", "/cairn-etc/passwd")), Want::refused},
    Breakout{"SymlinkParentRelative", tar(etc().symlink("localetc/sub/..", "/cairn-etc/").link("/localetc/localpasswd", "/cairn-etc/passwd")), Want::applied,
             [](const Outcome& out) { EXPECT_EQ(out.inode("localetc/localpasswd"), out.inode("cairn-etc/passwd")); }},
    Breakout{"SymlinkSlashEnded", tar(etc().dir("localetc/").link("/localetc/localpasswd", "/cairn-etc/passwd")), Want::applied,
             [](const Outcome& out) { EXPECT_EQ(out.inode("localetc/localpasswd"), out.inode("cairn-etc/passwd")); }},
    Breakout{"SymlinkOverrideDirectory", tar(TarBuilder().symlink("localetc", "/cairn-etc").link("/localetc/localpasswd", "/cairn-etc/passwd")), Want::applied,
             [](const Outcome& out) { EXPECT_EQ(out.applied.links.at(0).name, "cairn-etc/localpasswd"); }, base(etc().dir("localetc"))},
    Breakout{"SymlinkOverrideDirectoryRelative", tar(TarBuilder().symlink("localetc", "../../cairn-etc").link("/localetc/localpasswd", "/cairn-etc/passwd")),
             Want::applied, [](const Outcome& out) { EXPECT_EQ(out.applied.links.at(0).name, "cairn-etc/localpasswd"); }, base(etc().dir("localetc"))},
    Breakout{"DirectoryOverrideSymlink", tar(TarBuilder().dir("/localetc/").link("/localetc/localpasswd", "/cairn-etc/passwd")), Want::applied,
             [](const Outcome& out) { EXPECT_EQ(out.applied.links.at(0).name, "localetc/localpasswd"); }, base(etc().symlink("localetc", "/cairn-etc"))},
    Breakout{"DirectoryOverrideSymlinkAndHardlink", tar(TarBuilder().dir("/localetc/").file("/localetc/localpasswd", "different")), Want::applied,
             [](const Outcome& out) {
               EXPECT_EQ(out.read("localetc/localpasswd"), "different");
               EXPECT_EQ(out.read("cairn-etc/passwd"), "inside");
             }, base(etc().symlink("localetc", "cairn-etc").link("cairn-etc/localpasswd", "cairn-etc/passwd"))},
    Breakout{"WhiteoutRootParent", tar(TarBuilder().file(".wh...")), Want::refused, {}, base(etc())},
    Breakout{"WhiteoutParent", tar(TarBuilder().file("cairn-etc/.wh...")), Want::refused, {}, base(etc())},
    Breakout{"WhiteoutRoot", tar(TarBuilder().file(".wh..")), Want::refused, {}, base(etc())},
    Breakout{"WhiteoutCurrentDirectory", tar(TarBuilder().file("cairn-etc/.wh..")), Want::refused, {}, base(etc())},
    Breakout{"WhiteoutNothing", tar(TarBuilder().file("cairn-etc/.wh.")), Want::refused, {}, base(etc())},
    Breakout{"WhiteoutSymlink", tar(TarBuilder().file(".wh.localetc")), Want::applied,
             [](const Outcome& out) { etc_is_whole(out); EXPECT_FALSE(out.has("localetc")); }, base(etc().symlink("localetc", "/cairn-etc"))},
    Breakout{"WhiteoutSymlinkPathOfThisLayer", tar(TarBuilder().symlink("localetc", "/cairn-etc").file("localetc/.wh.whitedout")), Want::applied,
             [](const Outcome& out) { etc_is_whole(out); EXPECT_FALSE(out.has("cairn-etc/whitedout")); }, base(etc().file("cairn-etc/whitedout", "w"))},
    Breakout{"WhiteoutSymlinkPath", tar(TarBuilder().file("localetc/.wh.whitedout")), Want::applied, etc_is_whole,
             base(etc().file("cairn-etc/whitedout", "w").symlink("localetc", "/cairn-etc"))},
    Breakout{"WhiteoutDirectoryName", tar(TarBuilder().file(".wh.cairn-etc/somefile", "non-empty")), Want::applied,
             [](const Outcome& out) { etc_is_whole(out); EXPECT_EQ(out.read(".wh.cairn-etc/somefile"), "non-empty"); }, base(etc())},
    Breakout{"WhiteoutDeadSymlinkParent", tar(TarBuilder().file("localetc/.wh.cairn-etc")), Want::applied, etc_is_whole,
             base(etc().symlink("localetc", "/dne"))},
    Breakout{"WhiteoutRelativePath", tar(TarBuilder().file("dne/../.wh.cairn-etc")), Want::applied,
             [](const Outcome& out) { EXPECT_FALSE(out.has("cairn-etc")); }, base(etc().symlink("localetc", "/dne"))},
    Breakout{"WhiteoutThroughEscapingSymlink", tar(TarBuilder().symlink("d", "../../victim").file("d/.wh.hello").file("d/.wh..wh..opq")), Want::applied},
    Breakout{"HardlinkSymlinkBeforeCreateTarget", tar(TarBuilder().dir("cairn-etc").symlink("localpasswd", "/cairn-etc/passwd").link("localpasswd-dup", "localpasswd")
                                                          .file("/cairn-etc/passwd", "after")), Want::applied,
             [](const Outcome& out) { EXPECT_EQ(out.read("localpasswd-dup"), "after"); }},
    Breakout{"HardlinkSymlinkRelative", tar(etc().symlink("passwdlink", "../../../../../cairn-etc/passwd").link("localpasswd", "/passwdlink")), Want::applied,
             [](const Outcome& out) { EXPECT_EQ(out.read("localpasswd"), "inside"); }},
    Breakout{"HardlinkSymlinkAbsolute", tar(etc().symlink("passwdlink", "/cairn-etc/passwd").link("localpasswd", "/passwdlink")), Want::applied,
             [](const Outcome& out) { EXPECT_EQ(out.read("localpasswd"), "inside"); }},
    Breakout{"HardlinkSymlinkChmod",
             [](const fs::path& outside) {
               const std::string link = outside / "outside-link";
               return TarBuilder().symlink(link, outside / "victim/hello").add({.name = "sketchylink", .type = '1', .link = link, .mode = 0777});
             },
             Want::applied}), case_name);

}  // namespace
}  // namespace cairn
