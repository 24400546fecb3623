#include "core/archive/apply.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>

#include <random>
#include <set>

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
using test::read_file;
using test::TarBuilder;
using testing::ElementsAre;
using testing::HasSubstr;

struct stat lstat_of(const fs::path& path) {
  struct stat st {};
  EXPECT_EQ(0, ::lstat(path.c_str(), &st)) << path;
  return st;
}
bool is_whiteout(const fs::path& path) {
  struct stat st {};
  return ::lstat(path.c_str(), &st) == 0 && S_ISCHR(st.st_mode) && st.st_rdev == 0;
}
bool is_opaque(const fs::path& path) {
  char value[8];
  return ::lgetxattr(path.c_str(), "trusted.overlay.opaque", value, sizeof value) == 1 && value[0] == 'y';
}
bool present(const fs::path& path) { return fs::exists(fs::symlink_status(path)); }

class ApplyTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "needs root for owners, devices and whiteouts";
  }
  Applied apply(const TarBuilder& tar) { return apply_to(root_, tar.str()); }
  Applied apply_to(const fs::path& directory, const std::string& bytes) {
    test::FakeDiffTarget target(directory);
    const auto source = read_from(bytes);
    TarReader reader(*source);
    return apply_tar(reader, target);
  }
  std::pair<Errc, std::string> failure(const TarBuilder& tar) {
    try {
      apply(tar);
    } catch (const Error& e) {
      return {e.code(), e.what()};
    }
    ADD_FAILURE() << "was applied";
    return {};
  }
  test::TempDir dir_;
  fs::path root_ = dir_ / "layer";
};

TEST_F(ApplyTest, FilesDirectoriesLinksAndNodesWithAllTheirMetadata) {
  RawEntry file{.name = "./d/f", .content = "text", .mode = 04751, .uid = 1000, .gid = 3000000, .mtime = 1234567890};
  file.pax = {{"mtime", "1234567890.123456789"}, {"SCHILY.xattr.user.note", "hello"}};
  TarBuilder tar;
  tar.add({.name = "./", .type = '5', .mode = 0711, .uid = 5, .gid = 6, .mtime = 111})
      .add({.name = "./d/", .type = '5', .mode = 02775, .uid = 7, .gid = 8, .mtime = 222})
      .add(file)
      .add({.name = "d/plain", .content = "x", .mode = 0600})
      .add({.name = "d/sub", .type = '5', .mode = 0700})
      .add({.name = "d/link", .type = '2', .link = "../../nowhere", .uid = 9, .gid = 9, .mtime = 333})
      .add({.name = "d/hard",
            .type = '1',
            .link = "./d/f",
            .mode = 04751,
            .uid = 1000,
            .gid = 3000000,
            .mtime = 1234567890,
            .pax = {{"mtime", "1234567890.123456789"}}})
      .add({.name = "null", .type = '3', .mode = 0666, .major = 1, .minor = 3})
      .add({.name = "disk", .type = '4', .mode = 0660, .gid = 6, .major = 259, .minor = 1000})
      .add({.name = "pipe", .type = '6', .mode = 0622});
  const Applied applied = apply(tar);
  EXPECT_EQ(applied.entries, 10u);
  EXPECT_EQ(applied.content_bytes, 5);
  EXPECT_TRUE(applied.implied_dirs.empty());
  const auto f = lstat_of(root_ / "d/f");
  EXPECT_EQ(f.st_mode, S_IFREG | 04751u);
  EXPECT_EQ(f.st_uid, 1000u);
  EXPECT_EQ(f.st_gid, 3000000u);
  EXPECT_EQ(f.st_mtim.tv_sec, 1234567890);
  EXPECT_EQ(f.st_mtim.tv_nsec, 123456789);
  EXPECT_EQ(f.st_atim.tv_sec, 1234567890);
  EXPECT_EQ(f.st_ino, lstat_of(root_ / "d/hard").st_ino);
  char note[16];
  EXPECT_EQ(5, ::getxattr((root_ / "d/f").c_str(), "user.note", note, sizeof note));
  EXPECT_EQ(lstat_of(root_ / "d/plain").st_gid, 0u) << "the set-group-ID bit of d must not leak into what is in it";
  EXPECT_EQ(lstat_of(root_ / "d/sub").st_mode, S_IFDIR | 0700u);
  EXPECT_EQ(lstat_of(root_ / "d").st_mtim.tv_sec, 222);
  EXPECT_EQ(lstat_of(root_ / "d").st_mode, S_IFDIR | 02775u);
  EXPECT_EQ(lstat_of(root_).st_mtim.tv_sec, 111);
  EXPECT_EQ(lstat_of(root_).st_mode, S_IFDIR | 0711u);
  EXPECT_EQ(fs::read_symlink(root_ / "d/link"), "../../nowhere");
  EXPECT_EQ(lstat_of(root_ / "d/link").st_uid, 9u);
  EXPECT_EQ(lstat_of(root_ / "d/link").st_mtim.tv_sec, 333);
  EXPECT_EQ(lstat_of(root_ / "null").st_rdev, makedev(1, 3));
  EXPECT_EQ(lstat_of(root_ / "disk").st_rdev, makedev(259, 1000));
  EXPECT_EQ(lstat_of(root_ / "disk").st_mode, S_IFBLK | 0660u);
  EXPECT_EQ(lstat_of(root_ / "pipe").st_mode, S_IFIFO | 0622u);
}

TEST_F(ApplyTest, ModesDoNotDependOnTheUmask) {
  const mode_t old = ::umask(0077);
  apply(TarBuilder().dir("d", 0777).file("d/f", "", 0666).file("implied/f", "", 0644));
  ::umask(old);
  EXPECT_EQ(lstat_of(root_ / "d").st_mode & 07777, 0777u);
  EXPECT_EQ(lstat_of(root_ / "d/f").st_mode & 07777, 0666u);
  EXPECT_EQ(lstat_of(root_ / "implied").st_mode & 07777, 0755u);
}

TEST_F(ApplyTest, CapabilitiesSurviveTheChangeOfOwner) {
  const std::string capability("\x01\x00\x00\x02\x00\x20\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00", 20);
  RawEntry ping{.name = "ping", .content = "x", .mode = 0755, .uid = 10};
  ping.pax = {{"SCHILY.xattr.security.capability", capability}};
  apply(TarBuilder().add(ping));
  char value[64];
  ASSERT_EQ(20, ::getxattr((root_ / "ping").c_str(), "security.capability", value, sizeof value));
  EXPECT_EQ(std::string(value, 20), capability);
}

TEST_F(ApplyTest, XattrsThatForgeOverlaysMarksAreDropped) {
  RawEntry dir{.name = "d", .type = '5', .mode = 0755};
  dir.pax = {{"SCHILY.xattr.trusted.overlay.opaque", "y"},
             {"SCHILY.xattr.user.overlay.redirect", "/etc"},
             {"SCHILY.xattr.trusted.other", "kept"},
             {"SCHILY.xattr.security.selinux", ""}};
  apply(TarBuilder().add(dir));
  const auto xattrs = test::plain_tree(root_).find("d")->xattrs();
  EXPECT_THAT(xattrs, testing::Contains(std::pair("trusted.other", "kept")));
  EXPECT_FALSE(xattrs.contains("trusted.overlay.opaque"));
  EXPECT_FALSE(xattrs.contains("user.overlay.redirect"));
}

TEST_F(ApplyTest, XattrsTheFileSystemLacksAreAnErrorThatNamesThem) {
  try {
    const test::TestMount ramfs("ramfs", "", root_);
    RawEntry file{.name = "some/file"};
    file.pax = {{"SCHILY.xattr.user.note", "x"}};
    const auto [code, text] = failure(TarBuilder().add(file));
    EXPECT_EQ(code, Errc::unsupported);
    EXPECT_THAT(text, HasSubstr("user.note"));
    EXPECT_THAT(text, HasSubstr("some/file"));
  } catch (const Error& e) {
    GTEST_SKIP() << "no ramfs here: " << e.what();
  }
}

TEST_F(ApplyTest, DefaultAclsDoNotLeakIntoWhatIsInTheDirectory) {
  // user::rwx group::r-x mask::--- other::---, as the kernel stores it
  const std::string acl(
      "\x02\x00\x00\x00\x01\x00\x07\x00\xff\xff\xff\xff\x04\x00\x05\x00\xff\xff\xff\xff\x20\x00\x00\x00\xff\xff\xff"
      "\xff",
      28);
  RawEntry dir{.name = "d", .type = '5', .mode = 0755};
  dir.pax = {{"SCHILY.xattr.system.posix_acl_default", acl}};
  try {
    apply(TarBuilder().add(dir).file("d/f", "", 0666));
  } catch (const Error& e) {
    GTEST_SKIP() << "no ACLs here: " << e.what();
  }
  EXPECT_EQ(lstat_of(root_ / "d/f").st_mode & 07777, 0666u);
  EXPECT_EQ(::lgetxattr((root_ / "d/f").c_str(), "system.posix_acl_access", nullptr, 0), -1);
  EXPECT_GT(::lgetxattr((root_ / "d").c_str(), "system.posix_acl_default", nullptr, 0), 0);
}

TEST_F(ApplyTest, TimesOutOfDockersRangeBecomeTheEpoch) {
  apply(TarBuilder()
            .add({.name = "old", .mtime = -5})
            .add({.name = "new", .pax = {{"mtime", "9223372037"}}})
            .add({.name = "last", .pax = {{"mtime", "9223372036"}}})
            .add({.name = "accessed", .mtime = 100, .pax = {{"atime", "200"}}}));
  EXPECT_EQ(lstat_of(root_ / "old").st_mtim.tv_sec, 0);
  EXPECT_EQ(lstat_of(root_ / "new").st_mtim.tv_sec, 0);
  EXPECT_GT(lstat_of(root_ / "last").st_mtim.tv_sec, 0);
  EXPECT_EQ(lstat_of(root_ / "accessed").st_mtim.tv_sec, 100);
  EXPECT_EQ(lstat_of(root_ / "accessed").st_atim.tv_sec, 200);
}

TEST_F(ApplyTest, MissingParentsAreImpliedAndReported) {
  const Applied applied = apply(TarBuilder().file("a/b/c").dir("a/b", 0700).file("x/y").file("x/.wh.gone"));
  EXPECT_THAT(applied.implied_dirs, ElementsAre(".", "a", "x"));
  EXPECT_EQ(lstat_of(root_ / "a").st_mode & 07777, 0755u);
  EXPECT_EQ(lstat_of(root_ / "a/b").st_mode & 07777, 0700u);
}

TEST_F(ApplyTest, GlobalHeadersMakeNothing) {
  const Applied applied = apply(TarBuilder().global({{"comment", "deadbeef"}}).file("f"));
  EXPECT_EQ(applied.entries, 1u);
  EXPECT_THAT(test::list_directory(root_), testing::SizeIs(2));
}

TEST_F(ApplyTest, EmptyLayerMakesNothing) {
  EXPECT_EQ(apply(TarBuilder()).entries, 0u);
  EXPECT_THAT(test::list_directory(root_), testing::SizeIs(1));
}

TEST_F(ApplyTest, LaterEntriesReplaceEarlierOnes) {
  apply(TarBuilder()
            .file("f", "first, and longer")
            .file("f", "second")
            .dir("d")
            .file("d/x")
            .file("d", "a file now")
            .dir("kept", 0700)
            .file("kept/x")
            .dir("kept", 0711)
            .symlink("s", "f")
            .file("s", "no link any more")
            .file("n")
            .dir("n")
            .file("n/x"));
  EXPECT_EQ(read_file(root_ / "f"), "second");
  EXPECT_EQ(read_file(root_ / "d"), "a file now");
  EXPECT_TRUE(present(root_ / "kept/x"));
  EXPECT_EQ(lstat_of(root_ / "kept").st_mode & 07777, 0711u);
  EXPECT_EQ(read_file(root_ / "s"), "no link any more");
  EXPECT_TRUE(present(root_ / "n/x"));
  EXPECT_TRUE(is_opaque(root_ / "n")) << "the parent's directory n was gone under the file n";
  EXPECT_FALSE(is_opaque(root_ / "kept"));
}

TEST_F(ApplyTest, WhiteoutsHideAndRemoveWhatTheLayerPutBefore) {
  const Applied applied = apply(TarBuilder()
                                    .file(".wh.gone")
                                    .file("here")
                                    .file(".wh.here")
                                    .dir("d")
                                    .file("d/x")
                                    .file(".wh.d")
                                    .file(".wh.again")
                                    .file("again", "new")
                                    .file(".wh.newdir")
                                    .dir("newdir")
                                    .file("newdir/x")
                                    .file(".wh.made")
                                    .file("made/by/child")
                                    .file("sub/.wh..wh.odd"));
  EXPECT_TRUE(is_whiteout(root_ / "gone"));
  EXPECT_TRUE(is_whiteout(root_ / "here"));
  EXPECT_TRUE(is_whiteout(root_ / "d"));
  EXPECT_EQ(read_file(root_ / "again"), "new");
  EXPECT_TRUE(is_opaque(root_ / "newdir"));
  EXPECT_TRUE(is_opaque(root_ / "made"));
  EXPECT_FALSE(is_opaque(root_ / "made/by"));
  EXPECT_TRUE(is_whiteout(root_ / "sub/.wh.odd"));
  EXPECT_THAT(applied.implied_dirs, ElementsAre(".", "sub")) << "made and made/by have nothing to do with the parent's";
}

TEST_F(ApplyTest, OpaqueMarkersKeepWhatTheLayerHas) {
  apply(TarBuilder()
            .dir("d")
            .file("d/before")
            .file("d/.wh..wh..opq")
            .file("d/after")
            .file("new/.wh..wh..opq")
            .file(".wh..wh..opq"));
  EXPECT_TRUE(is_opaque(root_ / "d"));
  EXPECT_TRUE(present(root_ / "d/before"));
  EXPECT_TRUE(present(root_ / "d/after"));
  EXPECT_TRUE(is_opaque(root_ / "new"));
  EXPECT_TRUE(is_opaque(root_));
  EXPECT_FALSE(present(root_ / "d/.wh..wh..opq"));
}

TEST_F(ApplyTest, DirectoryTimesSurviveWhiteouts) {
  apply(TarBuilder().add({.name = "d", .type = '5', .mode = 0755, .mtime = 77}).file("d/.wh.x").file("d/y"));
  EXPECT_EQ(lstat_of(root_ / "d").st_mtim.tv_sec, 77);
}

TEST_F(ApplyTest, WhiteoutsBelowAWhiteoutAreNothing) {
  apply(TarBuilder().file(".wh.foo").file("foo/.wh.bar").file("foo/deep/.wh.x"));
  EXPECT_TRUE(is_whiteout(root_ / "foo"));
}

TEST_F(ApplyTest, WhiteoutOfALongName) {
  const std::string name(255, 'n');
  apply(TarBuilder().file("d/.wh." + name));
  EXPECT_TRUE(is_whiteout(root_ / "d" / name));
}

TEST_F(ApplyTest, AufsFilesAreNoContentAndPseudoLinksAreResolved) {
  const Applied applied = apply(TarBuilder()
                                    .file(".wh..wh.aufs", "meta")
                                    .dir(".wh..wh.plnk")
                                    .add({.name = ".wh..wh.plnk/12.34", .content = "shared", .mode = 0640, .uid = 3})
                                    .dir(".wh..wh.orph")
                                    .file(".wh..wh.orph/x")
                                    .link("a", ".wh..wh.plnk/12.34")
                                    .link("d/b", "/.wh..wh.plnk/12.34"));
  EXPECT_EQ(read_file(root_ / "a"), "shared");
  EXPECT_EQ(lstat_of(root_ / "a").st_mode & 07777, 0640u);
  EXPECT_EQ(lstat_of(root_ / "a").st_uid, 3u);
  EXPECT_EQ(lstat_of(root_ / "a").st_ino, lstat_of(root_ / "d/b").st_ino);
  EXPECT_EQ(lstat_of(root_ / "a").st_nlink, 2u) << "the temporary directory must be gone";
  EXPECT_THAT(test::list_directory(root_), testing::SizeIs(4));
  EXPECT_EQ(applied.content_bytes, 10);
  EXPECT_EQ(failure(TarBuilder().link("a", ".wh..wh.plnk/9.9")).first, Errc::invalid);
}

TEST_F(ApplyTest, NothingTemporaryRemainsAfterAnError) {
  failure(TarBuilder().file(".wh..wh.plnk/1.2", "x").file("../out"));
  EXPECT_THAT(test::list_directory(root_), testing::SizeIs(1));
}

TEST_F(ApplyTest, HardLinksToParentsAreReported) {
  const Applied applied = apply(TarBuilder()
                                    .dir("d")
                                    .link("d/new", "usr/bin/perl")
                                    .link("second", "/d/new")
                                    .link("replaced", "x")
                                    .file("replaced")
                                    .link("hidden", "x")
                                    .file(".wh.hidden"));
  ASSERT_EQ(applied.links.size(), 2u);
  EXPECT_EQ(applied.links[0].name, "d/new");
  EXPECT_EQ(applied.links[0].target, "usr/bin/perl");
  EXPECT_EQ(applied.links[1].name, "second");
  EXPECT_EQ(applied.links[1].target, "usr/bin/perl");
  EXPECT_TRUE(is_whiteout(root_ / "hidden"));
}

TEST_F(ApplyTest, HardLinksToWhatTheLayerRemovedAreErrors) {
  EXPECT_EQ(failure(TarBuilder().file(".wh.x").link("y", "x")).first, Errc::not_found);
  EXPECT_EQ(failure(TarBuilder().file(".wh.d").link("y", "d/e/f")).first, Errc::not_found);
  EXPECT_EQ(failure(TarBuilder().file("d/.wh..wh..opq").link("y", "d/f")).first, Errc::not_found);
  EXPECT_EQ(failure(TarBuilder().link("y", "x").file(".wh.x")).first, Errc::invalid);
}

TEST_F(ApplyTest, HardLinksToDirectoriesAndThemselvesAreErrors) {
  EXPECT_EQ(failure(TarBuilder().dir("d").link("y", "d")).first, Errc::invalid);
  EXPECT_EQ(failure(TarBuilder().file("y").link("y", "y")).first, Errc::invalid);
  EXPECT_EQ(failure(TarBuilder().link("y", ".")).first, Errc::invalid);
}

TEST_F(ApplyTest, HardLinkHeadersSetTheFilesMetadata) {
  apply(TarBuilder()
            .file("f", "x", 0644)
            .add({.name = "l", .type = '1', .link = "f", .mode = 0600, .uid = 4, .mtime = 5}));
  EXPECT_EQ(lstat_of(root_ / "f").st_mode & 07777, 0600u);
  EXPECT_EQ(lstat_of(root_ / "f").st_uid, 4u);
  EXPECT_EQ(lstat_of(root_ / "f").st_mtim.tv_sec, 5);
}

TEST_F(ApplyTest, SparseFilesKeepTheirHoles) {
  RawEntry sparse{.name = "GNUSparseFile.0/sparse", .content = "data"};
  sparse.pax = {{"GNU.sparse.major", "0"},      {"GNU.sparse.minor", "1"},     {"GNU.sparse.name", "sparse"},
                {"GNU.sparse.size", "8388608"}, {"GNU.sparse.numblocks", "1"}, {"GNU.sparse.map", "4194304,4"}};
  apply(TarBuilder().add(sparse));
  const auto st = lstat_of(root_ / "sparse");
  EXPECT_EQ(st.st_size, 8388608);
  EXPECT_LT(st.st_blocks * 512, 1 << 20);
  const std::string text = read_file(root_ / "sparse");
  EXPECT_EQ(text.substr(4194303, 6), std::string("\0data\0", 6));
}

TEST_F(ApplyTest, NamesThatContainDotsAreJustNames) {
  apply(TarBuilder().file("..file", "a").file("d/...", "b").file("x../y", "c"));
  EXPECT_EQ(read_file(root_ / "..file"), "a");
  EXPECT_EQ(read_file(root_ / "d/..."), "b");
  EXPECT_EQ(read_file(root_ / "x../y"), "c");
}

struct BadCase {
  const char* name;
  RawEntry entry;
  const char* text;
};
class ApplyRefuses : public ApplyTest, public testing::WithParamInterface<BadCase> {};
TEST_P(ApplyRefuses, AndNamesTheEntry) {
  const auto [code, text] = failure(TarBuilder().file("ok").add(GetParam().entry));
  EXPECT_EQ(code, Errc::invalid) << text;
  EXPECT_THAT(text, HasSubstr(GetParam().text));
  EXPECT_THAT(text, HasSubstr("unpacking '"));
  EXPECT_THAT(test::list_directory(root_), testing::SizeIs(testing::Le(2)));
}
INSTANTIATE_TEST_SUITE_P(
    , ApplyRefuses,
    testing::Values(BadCase{"UnknownType", {.name = "x", .type = 'Z'}, "unhandled tar entry type 'Z'"},
                    BadCase{"ParentName", {.name = ".."}, "outside of the layer"},
                    BadCase{"ParentBelow", {.name = "a/../../b"}, "outside of the layer"},
                    BadCase{"LinkOutside", {.name = "x", .type = '1', .link = "../../ok"}, "outside of the layer"},
                    BadCase{"LongComponent", {.name = "d/" + std::string(256, 'x')}, "255 bytes"},
                    BadCase{"LongLink", {.name = "x", .type = '2', .link = std::string(4096, 'y')}, "4095 bytes"},
                    BadCase{"EmptyLink", {.name = "x", .type = '2'}, "to nothing"},
                    BadCase{"RootAsFile", {.name = "./"}, "only be a directory"},
                    BadCase{"RootAsLink", {.name = "", .type = '2', .link = "/etc"}, "only be a directory"},
                    BadCase{"BelowAFile", {.name = "ok/x"}, "not a directory"},
                    BadCase{"WhiteoutOfNothing", {.name = "d/.wh."}, "no name"},
                    BadCase{"WhiteoutOfDot", {.name = ".wh.."}, "no name"},
                    BadCase{"WhiteoutOfDotDot", {.name = "d/.wh..."}, "no name"},
                    BadCase{"DeviceMajor", {.name = "x", .type = '3', .major = 4096, .minor = 1}, "4096:1"},
                    BadCase{"DeviceMinor", {.name = "x", .type = '4', .major = 1, .minor = 1 << 20}, "1:1048576"},
                    BadCase{"NoOwner", {.name = "x", .uid = 4294967295}, "no such id"}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(ApplyTest, LongPathsAreRefusedBeforeAnythingIsMade) {
  std::string path = "p";
  while (path.size() <= 4096) path += "/" + std::string(200, 'x');
  EXPECT_EQ(failure(TarBuilder().file(path)).first, Errc::invalid);
  EXPECT_THAT(test::list_directory(root_), testing::SizeIs(1));
}

TEST_F(ApplyTest, LongestPathsWork) {
  std::string path = std::string(95, 'x');
  while (path.size() < 4000) path += "/" + std::string(99, 'x');
  apply(TarBuilder().file(path, "deep"));
  EXPECT_EQ(read_all(*content_of(*test::plain_tree(root_).find(path)), 100), "deep");
}

// P68: four layers over each other, each with its own kind of whiteout.
TEST_F(ApplyTest, P68_CumulativeWhiteouts) {
  const std::vector<TarBuilder> layers = {
      TarBuilder()
          .file(".bar")
          .file("bar/bax")
          .file("bar/.baz")
          .file("baz")
          .file("foo/.abc")
          .file("foo/.bcd/a")
          .file("foo/cde/def")
          .file("foo/cde/efg")
          .file("foo/fgh")
          .file("foobar"),
      TarBuilder()
          .file(".wh.baz")
          .dir("bar")
          .file("bar/.wh.bax")
          .dir("foo")
          .file("foo/.wh..wh..opq")
          .file("foo/.abc")
          .file("foo/.bcd/a")
          .file("foo/cde/def"),
      TarBuilder().file(".wh..bar").file(".wh.foobar").dir("foo").file("foo/.wh.cde"),
      TarBuilder().dir("sub").file("sub/x").file("only").file("sub/.wh..wh..opq"),
  };
  const std::vector<std::vector<std::string>> want = {
      {".bar", "bar", "bar/.baz", "bar/bax", "baz", "foo", "foo/.abc", "foo/.bcd", "foo/.bcd/a", "foo/cde",
       "foo/cde/def", "foo/cde/efg", "foo/fgh", "foobar"},
      {".bar", "bar", "bar/.baz", "foo", "foo/.abc", "foo/.bcd", "foo/.bcd/a", "foo/cde", "foo/cde/def", "foobar"},
      {"bar", "bar/.baz", "foo", "foo/.abc", "foo/.bcd", "foo/.bcd/a"},
      {"bar", "bar/.baz", "foo", "foo/.abc", "foo/.bcd", "foo/.bcd/a", "only", "sub", "sub/x"},
  };
  std::vector<fs::path> branches;
  for (size_t i = 0; i < layers.size(); ++i) {
    branches.insert(branches.begin(), dir_ / std::to_string(i));
    apply_to(branches.front(), layers[i].str());
    std::vector<std::string> found;
    for (const auto& [path, text] : test::list_tree(test::overlay_tree(branches)))
      if (!path.empty()) found.push_back(path.substr(1));
    std::sort(found.begin(), found.end());
    auto expected = want[i];
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(found, expected) << "layer " << i;
  }
}

// What Docker's naive driver does to a full copy of the parent, entry by entry.
class FullCopy {
 public:
  void begin_layer() { own_.clear(); }
  bool is_directory(const std::string& path) const {
    return path.empty() || (all_.contains(path) && all_.at(path) == "/");
  }
  bool has(const std::string& path) const { return all_.contains(path); }
  bool can_hold(const std::string& path) const {  // nothing but directories above it
    for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1))
      if (has(path.substr(0, slash)) && !is_directory(path.substr(0, slash))) return false;
    return true;
  }
  void put(const std::string& path, const std::string& content) {
    for (size_t slash = path.find('/'); slash != std::string::npos; slash = path.find('/', slash + 1))
      all_.emplace(path.substr(0, slash), "/");
    if (content != "/" || !is_directory(path)) remove(path);
    all_[path] = content;
    own_.insert(path);
  }
  void remove(const std::string& path) {
    const auto below = [&](const auto& item) { return item == path || item.starts_with(path + "/"); };
    std::erase_if(all_, [&](const auto& item) { return below(item.first); });
    std::erase_if(own_, below);
  }
  void make_opaque(const std::string& directory) {
    std::erase_if(all_, [&](const auto& item) {
      const std::string& path = item.first;
      const auto own = own_.lower_bound(path);
      return path.starts_with(directory + "/") && !own_.contains(path) &&
             std::none_of(own, own_.end(), [&](const auto& mine) { return mine.starts_with(path + "/"); });
    });
  }
  const std::map<std::string, std::string>& all() const { return all_; }

 private:
  std::map<std::string, std::string> all_;  // "/" for a directory, else the content
  std::set<std::string> own_;
};

class RandomLayers : public ApplyTest, public testing::WithParamInterface<unsigned> {};
TEST_P(RandomLayers, ShowWhatAFullCopyWouldHold) {
  std::mt19937 random(GetParam());
  const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
  FullCopy model;
  std::vector<fs::path> branches;
  for (int layer = 0; layer < 5; ++layer) {
    TarBuilder tar;
    std::string log;
    model.begin_layer();
    for (int i = 0; i < 25; ++i) {
      std::string folder, name(1, static_cast<char>('a' + pick(3)));
      for (int depth = pick(3); depth > 0; --depth)
        folder += (folder.empty() ? "" : "/") + std::string(1, static_cast<char>('a' + pick(3)));
      const std::string path = folder.empty() ? name : folder + "/" + name;
      if (!model.can_hold(path + "/x") && pick(2) == 0) continue;
      if (!model.can_hold(path)) continue;
      const int what = pick(8);
      if (what <= 2) {
        const std::string content = std::to_string(layer) + "." + std::to_string(i);
        tar.file(path, content), model.put(path, content);
      } else if (what <= 4) {
        tar.dir(path), model.put(path, "/");
      } else if (what <= 6 && model.is_directory(folder)) {
        tar.file(folder.empty() ? ".wh." + name : folder + "/.wh." + name), model.remove(path);
      } else if (what == 7 && model.is_directory(path)) {
        tar.file(path + "/.wh..wh..opq"), model.make_opaque(path);
      } else {
        continue;
      }
      log += " " + std::to_string(what) + ":" + path;
    }
    branches.insert(branches.begin(), dir_ / std::to_string(layer));
    apply_to(branches.front(), tar.str());
    const Tree tree = test::overlay_tree(branches);
    std::map<std::string, std::string> shown;
    for (const auto& [path, text] : test::list_tree(tree))
      if (!path.empty())
        shown[path.substr(1)] = tree.find(path)->is_dir() ? "/" : read_all(*content_of(*tree.find(path)), 100);
    ASSERT_EQ(shown, model.all()) << "layer " << layer << ":" << log;
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, RandomLayers, testing::Range(1u, 41u));

}  // namespace
}  // namespace cairn
