#include "cli/copy_out.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "cli/exit.h"
#include "core/archive/tar_reader.h"
#include "tests/support/fake_diff_target.h"
#include "tests/support/temp_dir.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using test::read_file;
using test::write_file;

class CopyOut : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "needs root: gives files their owners";
    const fs::path tree = dir_ / "tree";
    write_file(tree / "etc/conf", "c");
    write_file(tree / "etc/sub/deep", "d");
    fs::create_hard_link(tree / "etc/conf", tree / "etc/sub/same");
    fs::create_symlink("conf", tree / "etc/link");
    fs::create_symlink("/etc", tree / "config");
    ASSERT_EQ(::chown((tree / "etc/conf").c_str(), 1234, 5678), 0);
    ASSERT_EQ(::chmod((tree / "etc/conf").c_str(), 04711), 0);
    const timespec times[2] = {{1, 0}, {1'000'000'000, 42}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (tree / "etc/conf").c_str(), times, 0), 0);
    ASSERT_EQ(::utimensat(AT_FDCWD, (tree / "etc/sub").c_str(), times, 0), 0);
    fs::create_directory(dir_ / "out");
  }
  Tree tree() { return test::plain_tree(dir_ / "tree"); }
  void copy(const std::string& path, const std::string& to) { copy_out(tree(), parse_copy_source(path), to); }
  struct stat st(const std::string& name) {
    struct stat out {};
    EXPECT_EQ(::lstat((dir_ / name).c_str(), &out), 0) << name;
    return out;
  }
  std::vector<std::string> names(const std::string& folder) { return list_dir(open_dir(dir_ / folder).get()); }
  std::vector<std::string> tar_names(const std::string& path) {
    StringSink sink;
    tar_out(tree(), parse_copy_source(path), sink);
    const auto source = read_from(sink.text);
    TarReader reader(*source);
    std::vector<std::string> out;
    while (const TarEntry* entry = reader.next())
      out.push_back(entry->name + (entry->link_target.empty() ? "" : " -> " + entry->link_target));
    return out;
  }

  test::TempDir dir_;
};

TEST_F(CopyOut, KeepsOwnerModeTimesAndHardLinks) {
  copy("/etc", dir_ / "out");
  const auto conf = st("out/etc/conf");
  EXPECT_EQ(conf.st_uid, 1234u);
  EXPECT_EQ(conf.st_gid, 5678u);
  EXPECT_EQ(conf.st_mode & 07777, 04711u);
  EXPECT_EQ(conf.st_mtim.tv_sec, 1'000'000'000);
  EXPECT_EQ(conf.st_mtim.tv_nsec, 42);
  EXPECT_EQ(conf.st_ino, st("out/etc/sub/same").st_ino);
  EXPECT_EQ(st("out/etc/sub").st_mtim.tv_sec, 1'000'000'000);
  EXPECT_EQ(fs::read_symlink(dir_ / "out/etc/link"), "conf");
  EXPECT_THAT(names("out"), testing::ElementsAre("etc"));
}

TEST_F(CopyOut, TakesANewName) {
  copy("/etc/conf", dir_ / "out/renamed");
  EXPECT_EQ(read_file(dir_ / "out/renamed"), "c");
  copy("etc/sub", dir_ / "out/folder/");
  EXPECT_EQ(read_file(dir_ / "out/folder/deep"), "d");
}

TEST_F(CopyOut, OfContentsMergesIntoADirectory) {
  write_file(dir_ / "out/sub/kept", "k");
  write_file(dir_ / "out/conf", "old");
  copy("/etc/.", dir_ / "out");
  EXPECT_THAT(names("out"), testing::ElementsAre("conf", "link", "sub"));
  EXPECT_THAT(names("out/sub"), testing::ElementsAre("deep", "kept", "same"));
  EXPECT_EQ(read_file(dir_ / "out/conf"), "c");
}

TEST_F(CopyOut, OfTheRootTakesEverything) {
  copy("/", dir_ / "new");
  EXPECT_THAT(names("new"), testing::ElementsAre("config", "etc"));
}

TEST_F(CopyOut, FollowsLinksInsideTheTreeOnly) {
  copy("/config/conf", dir_ / "out");
  EXPECT_EQ(read_file(dir_ / "out/conf"), "c");
  copy("/config", dir_ / "out");
  EXPECT_EQ(fs::read_symlink(dir_ / "out/config"), "/etc");
  copy("/config/.", dir_ / "contents");
  EXPECT_THAT(names("contents"), testing::ElementsAre("conf", "link", "sub"));
}

TEST_F(CopyOut, ReplacesALinkAndDoesNotWriteThroughIt) {
  write_file(dir_ / "victim", "v");
  fs::create_symlink(dir_ / "victim", dir_ / "out/conf");
  copy("/etc/.", dir_ / "out");
  EXPECT_EQ(read_file(dir_ / "victim"), "v");
  EXPECT_EQ(read_file(dir_ / "out/conf"), "c");
}

TEST_F(CopyOut, DoesNotMergeThroughALinkToADirectory) {
  fs::create_directory(dir_ / "elsewhere");
  fs::create_symlink(dir_ / "elsewhere", dir_ / "out/sub");
  EXPECT_THROW(copy("/etc/.", dir_ / "out"), UserError);
  EXPECT_THAT(names("elsewhere"), testing::IsEmpty());
}

TEST_F(CopyOut, RefusesWhatCannotBeAndLeavesNothing) {
  write_file(dir_ / "out/etc", "a file");
  EXPECT_THROW(copy("/etc", dir_ / "out"), UserError);
  EXPECT_THROW(copy("/nothing", dir_ / "out"), UserError);
  EXPECT_THROW(copy("/etc/conf", dir_ / "no/such/place"), UserError);
  EXPECT_THROW(copy("/etc/conf", dir_ / "new-folder/"), UserError);
  EXPECT_THROW(copy("/etc/conf/.", dir_ / "out"), UserError);
  EXPECT_THROW(copy("/etc/conf", ""), UserError);
  EXPECT_THAT(names("out"), testing::ElementsAre("etc"));
}

TEST_F(CopyOut, DotsDoNotLeaveTheTree) {
  copy("/../../etc/../etc/conf", dir_ / "out");
  EXPECT_EQ(read_file(dir_ / "out/conf"), "c");
}

TEST_F(CopyOut, AsTarStartsAtTheLastComponent) {
  EXPECT_THAT(tar_names("/etc/sub"), testing::ElementsAre("sub/", "sub/deep", "sub/same"));
  EXPECT_THAT(tar_names("/etc"), testing::ElementsAre("etc/", "etc/conf", "etc/link -> conf", "etc/sub/",
                                                      "etc/sub/deep", "etc/sub/same -> etc/conf"));
  EXPECT_THAT(tar_names("/etc/."),
              testing::ElementsAre("conf", "link -> conf", "sub/", "sub/deep", "sub/same -> conf"));
  EXPECT_THAT(tar_names("/etc/conf"), testing::ElementsAre("conf"));
}

}  // namespace
}  // namespace cairn
