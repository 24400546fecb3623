#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "core/archive/apply.h"
#include "core/archive/changes.h"
#include "core/util/error.h"
#include "tests/core/archive/listing.h"
#include "tests/core/archive/random_tree.h"
#include "tests/support/fake_diff_target.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_mount.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using test::write_file;
using testing::IsEmpty;

struct stat lstat_of(const fs::path& path) {
  struct stat st {};
  EXPECT_EQ(0, ::lstat(path.c_str(), &st)) << path;
  return st;
}

class ApplyTreeTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "needs root for owners and devices";
    fs::create_directories(source_);
  }
  Copied copy_all(Links links, const fs::path& to) {
    test::FakeDiffTarget target(to);
    const Tree tree = test::plain_tree(source_);
    return apply_tree(tree, changes_between(tree, Tree()), target, links);
  }
  void in_source(const std::string& commands) { test::run("cd " + source_.string() + " && " + commands); }
  static constexpr test::ListingOptions kAll = {.times = true, .links = true};

  test::TempDir dir_;
  fs::path source_ = dir_ / "source", out_ = dir_ / "out";
};

TEST_F(ApplyTreeTest, CopiesEverythingToTheNanosecondRootIncluded) {
  test::RandomTree(7).make(source_);
  in_source("chmod 2711 .; chown 3:4 .; setfattr -n user.root -v yes .; touch -d '2001-02-03 04:05:06.789' .");
  copy_all(Links::none, out_);
  EXPECT_EQ(test::list_directory(out_, kAll), test::list_directory(source_, kAll));
}

TEST_F(ApplyTreeTest, TheRootCanBeLeftAlone) {
  in_source("touch f; chmod 700 .");
  test::FakeDiffTarget target(out_);
  const Tree tree = test::plain_tree(source_);
  apply_tree(tree, changes_between(tree, Tree()), target, Links::none, Root::leave);
  EXPECT_EQ(lstat_of(out_).st_mode & 07777, 0755u);
}

TEST_F(ApplyTreeTest, CopiesToAnotherFileSystem) {
  test::RandomTree(8).make(source_);
  write_file(source_ / "big", std::string(3 << 20, 'b'));
  try {
    const test::TestMount tmpfs("tmpfs", "mode=0755", dir_ / "mnt");
    const Copied copied = copy_all(Links::hard, dir_ / "mnt/out");
    EXPECT_THAT(test::differences(test::list_directory(dir_ / "mnt/out", kAll), test::list_directory(source_, kAll)),
                IsEmpty());
    EXPECT_EQ(copied.files_linked, 0u);
    EXPECT_GE(copied.bytes_copied, 3u << 20);
  } catch (const Error& e) {
    GTEST_SKIP() << "no tmpfs, or none with user xattrs: " << e.what();
  }
}

TEST_F(ApplyTreeTest, HardLinksTheSourcesInodesWhereBlocksCannotBeShared) {
  write_file(source_ / "d/f", "content");
  in_source("ln d/f other; ln -s x sym; chmod 4755 d/f");
  const Copied copied = copy_all(Links::hard, out_);
  EXPECT_THAT(test::differences(test::list_directory(out_, kAll), test::list_directory(source_, kAll)), IsEmpty());
  EXPECT_EQ(copied.files_copied, 0u);
  EXPECT_GE(copied.files_linked, 1u);
  EXPECT_EQ(lstat_of(out_ / "d/f").st_ino, lstat_of(out_ / "other").st_ino);
  const bool shared = lstat_of(out_ / "d/f").st_ino == lstat_of(source_ / "d/f").st_ino;  // else its blocks are
  EXPECT_EQ(lstat_of(out_ / "d/f").st_nlink, shared ? 4u : 2u);
}

TEST_F(ApplyTreeTest, NeverLinksWhenToldToCopy) {
  write_file(source_ / "f", "content");
  const Copied copied = copy_all(Links::none, out_);
  EXPECT_NE(lstat_of(out_ / "f").st_ino, lstat_of(source_ / "f").st_ino);
  EXPECT_EQ(lstat_of(source_ / "f").st_nlink, 1u);
  EXPECT_EQ(copied.files_copied + copied.files_linked, 1u);
}

// A file without its data, or one whose xattrs would redirect a later overlay, must not get into the target as it is.
TEST_F(ApplyTreeTest, InodesWithOverlaysMarksAreCopiedWithoutThem) {
  const fs::path upper = dir_ / "upper";
  write_file(source_ / "f", std::string(20000, 'd'));
  write_file(upper / "f", "");
  fs::resize_file(upper / "f", 20000);
  ASSERT_EQ(0, ::setxattr((upper / "f").c_str(), "trusted.overlay.metacopy", "", 0, 0));
  ASSERT_EQ(0, ::chmod((upper / "f").c_str(), 0600));
  test::FakeDiffTarget target(out_);
  const Tree tree = test::overlay_tree({upper, source_});
  apply_tree(tree, changes_between(tree, Tree()), target, Links::hard);
  EXPECT_EQ(test::read_file(out_ / "f"), std::string(20000, 'd'));
  EXPECT_EQ(lstat_of(out_ / "f").st_mode & 07777, 0600u);
  EXPECT_LT(::getxattr((out_ / "f").c_str(), "trusted.overlay.metacopy", nullptr, 0), 0);

  write_file(dir_ / "plain/g", "");
  ASSERT_EQ(0, ::setxattr((dir_ / "plain/g").c_str(), "trusted.overlay.redirect", "/etc", 4, 0));
  test::FakeDiffTarget second(dir_ / "out2");
  const Tree plain = test::plain_tree(dir_ / "plain");
  apply_tree(plain, changes_between(plain, Tree()), second, Links::hard);
  EXPECT_LT(::getxattr((dir_ / "out2/g").c_str(), "trusted.overlay.redirect", nullptr, 0), 0);
}

TEST_F(ApplyTreeTest, HolesStayHoles) {
  in_source(
      "truncate -s 64M sparse; printf data | dd of=sparse bs=1 seek=33000000 conv=notrunc status=none; truncate -s 8M "
      "empty");
  try {
    const test::TestMount tmpfs("tmpfs", "size=16m", dir_ / "mnt");
    for (const fs::path& out : {out_, dir_ / "mnt/out"}) {
      const Copied copied = copy_all(Links::none, out);
      EXPECT_THAT(test::differences(test::list_directory(out, kAll), test::list_directory(source_, kAll)), IsEmpty());
      EXPECT_LT(lstat_of(out / "sparse").st_blocks * 512, 1 << 20);
      EXPECT_LT(copied.bytes_copied, 1u << 20);
    }
  } catch (const Error& e) {
    GTEST_SKIP() << "no tmpfs here: " << e.what();
  }
}

TEST_F(ApplyTreeTest, SharesBlocksWhereTheFileSystemCan) {
  const std::string image = (dir_ / "xfs.img").string(), mnt = (dir_ / "mnt").string();
  fs::create_directories(mnt);
  try {
    test::run("truncate -s 400M " + image + " && mkfs.xfs -q -m reflink=1 " + image + " && mount -o loop " + image +
              " " + mnt + " 2>/dev/null");
  } catch (const std::exception& e) {
    GTEST_SKIP() << "no xfs on a loop device here: " << e.what();
  }
  source_ = dir_ / "mnt/source";
  fs::create_directories(source_);
  test::RandomTree(9).make(source_);
  write_file(source_ / "big", std::string(3 << 20, 'b'));
  const Copied copied = copy_all(Links::hard, dir_ / "mnt/out");
  const auto different =
      test::differences(test::list_directory(dir_ / "mnt/out", kAll), test::list_directory(source_, kAll));
  const bool same_inode = lstat_of(dir_ / "mnt/out/big").st_ino == lstat_of(source_ / "big").st_ino;
  test::run("umount " + mnt);
  EXPECT_THAT(different, IsEmpty());
  EXPECT_FALSE(same_inode);
  EXPECT_EQ(copied.bytes_copied, 0u);
}

TEST_F(ApplyTreeTest, ErrorsNameThePath) {
  test::FakeDiffTarget target(out_);
  const Tree tree = test::plain_tree(source_);
  in_source("mkdir d; touch d/f");
  for (const Change& change :
       {Change{ChangeKind::added, "/absent"}, Change{ChangeKind::added, "/d/f"}, Change{ChangeKind::deleted, "/d/x"}}) {
    try {
      apply_tree(tree, {change}, target, Links::none);
      FAIL() << change.path;
    } catch (const Error& e) {
      EXPECT_THAT(e.what(), testing::HasSubstr("copying '" + change.path + "'"));
    }
  }
}

TEST_F(ApplyTreeTest, LinksInTheTargetAreNotFollowed) {
  write_file(source_ / "d/f", "x");
  fs::create_directories(dir_ / "outside");
  fs::create_directories(out_);
  fs::create_directory_symlink(dir_ / "outside", out_ / "d");
  test::FakeDiffTarget target(out_);
  EXPECT_THROW(apply_tree(test::plain_tree(source_), {{ChangeKind::added, "/d/f"}}, target, Links::none), Error);
  EXPECT_TRUE(fs::is_empty(dir_ / "outside"));
}

// Any two trees: the target over the parent shows the tree, hard links and nanoseconds included.
class ApplyTreeRoundTrip : public ApplyTreeTest, public testing::WithParamInterface<unsigned> {};
TEST_P(ApplyTreeRoundTrip, TargetOverTheParentShowsTheTree) {
  test::RandomTree random(GetParam());
  random.make(source_);
  const fs::path changed = dir_ / "changed";
  test::run("cp -a " + source_.string() + " " + changed.string());
  random.mutate(changed);
  const Tree tree = test::plain_tree(changed), parent = test::plain_tree(source_);
  const CompareOptions how{.rule = Compare::exact, .directory_times = true};
  for (const Links links : {Links::none, Links::hard}) {
    const fs::path out = dir_ / (links == Links::none ? "copied" : "linked");
    test::FakeDiffTarget target(out);
    apply_tree(tree, changes_between(tree, parent, how), target, links);
    const Tree merged = test::overlay_tree({out, source_});
    EXPECT_THAT(test::differences(test::list_tree(merged, kAll), test::list_directory(changed, kAll)), IsEmpty());
    EXPECT_THAT(changes_between(merged, tree, how), IsEmpty());
  }
}
INSTANTIATE_TEST_SUITE_P(Seeds, ApplyTreeRoundTrip, testing::Range(1u, 21u));

}  // namespace
}  // namespace cairn
