#include "core/archive/tree.h"

#include <gmock/gmock.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <random>
#include <thread>

#include "core/util/error.h"
#include "tests/core/archive/listing.h"
#include "tests/support/fake_diff_target.h"
#include "tests/support/loop_file_system.h"
#include "tests/support/temp_dir.h"
#include "tests/support/test_mount.h"

namespace cairn {
namespace {

namespace fs = std::filesystem;
using test::TempDir;
using test::write_file;
using testing::ElementsAre;
using testing::IsEmpty;

void set_xattr_on(const fs::path& path, const std::string& name, const std::string& value) {
  ASSERT_EQ(0, ::lsetxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0)) << path << " " << name;
}
void whiteout(const fs::path& path) {
  fs::create_directories(path.parent_path());
  ASSERT_EQ(0, ::mknod(path.c_str(), S_IFCHR, makedev(0, 0)));
}

std::vector<std::string> names_in(const TreeNode& node) {
  std::vector<std::string> names;
  for (const auto& child : node.children()) names.push_back(child.name());
  return names;
}
std::vector<std::string> names_in(const Tree& tree, const std::string& path) {
  const auto node = tree.find(path);
  return node ? names_in(*node) : std::vector<std::string>{"(absent)"};
}
std::string content(const Tree& tree, const std::string& path) {
  const auto node = tree.find(path, Tree::Last::follow);
  return node ? read_all(*content_of(*node), 1 << 20) : "(absent)";
}

class TreeTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "needs root for whiteouts and trusted xattrs";
  }
  // Branches "2" over "1" over "0".
  fs::path branch(int i) {
    fs::create_directories(dir_ / std::to_string(i));
    return dir_ / std::to_string(i);
  }
  Tree overlay(int top) {
    std::vector<fs::path> branches;
    for (int i = top; i >= 0; --i) branches.push_back(branch(i));
    return test::overlay_tree(branches);
  }
  Tree aufs(int top) {
    std::vector<Branch> branches;
    for (int i = top; i >= 0; --i)
      branches.push_back({std::make_shared<const Fd>(open_dir(branch(i))), WhiteoutStyle::aufs});
    return Tree(std::move(branches));
  }
  TempDir dir_;
};

TEST_F(TreeTest, EmptyTreeHasNoRoot) {
  const Tree tree;
  EXPECT_TRUE(tree.empty());
  EXPECT_FALSE(tree.find("/"));
  try {
    tree.root();
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::not_found);
  }
}

TEST_F(TreeTest, PlainDirectoryIsSortedBytewiseAndShowsEverything) {
  for (const char* name : {"b", "a-b", "a", "\xff", "B"}) write_file(branch(0) / name, name);
  fs::create_directory(branch(0) / "dir");
  fs::create_symlink("../x", branch(0) / "dir/link");
  set_xattr_on(branch(0) / "a", "user.note", std::string("x\0y", 3));
  const Tree tree = test::plain_tree(branch(0));
  EXPECT_THAT(names_in(tree.root()), ElementsAre("B", "a", "a-b", "b", "dir", "\xff"));
  EXPECT_EQ(content(tree, "a-b"), "a-b");
  EXPECT_EQ(tree.find("dir/link")->link_target(), "../x");
  EXPECT_THAT(tree.find("a")->xattrs(), ElementsAre(std::pair("user.note", std::string("x\0y", 3))));
  EXPECT_EQ(tree.find("a")->source_name(), "a");
  EXPECT_TRUE(tree.find("a")->whole());
  EXPECT_THROW(tree.find("dir")->open_file(), Error);
  EXPECT_THROW(tree.find("a")->link_target(), Error);
}

// xfs lists a second, raw form of it, which would set the ACL wherever it were copied to.
TEST(TreeOnXfs, AnAclIsOneXattr) {
  std::optional<test::LoopFileSystem> xfs;
  try {
    xfs.emplace("xfs");
  } catch (const Error& e) {
    GTEST_SKIP() << e.what();
  }
  const std::string acl("\2\0\0\0\1\0\7\0\xff\xff\xff\xff\4\0\5\0\xff\xff\xff\xff\x20\0\0\0\xff\xff\xff\xff", 28);
  fs::create_directory(xfs->path() / "d");
  set_xattr_on(xfs->path() / "d", "system.posix_acl_default", acl);
  const Tree tree({Branch{std::make_shared<Fd>(open_dir(xfs->path())), WhiteoutStyle::none}});
  EXPECT_THAT(tree.find("d")->xattrs(), ElementsAre(std::pair("system.posix_acl_default", acl)));
}

TEST_F(TreeTest, OverlayMergesHidesAndReplaces) {
  write_file(branch(0) / "d/low", "low");
  write_file(branch(0) / "d/both", "old");
  write_file(branch(0) / "gone", "x");
  write_file(branch(0) / "opaque/old", "x");
  write_file(branch(0) / "was_dir/x", "x");
  write_file(branch(0) / "was_file", "x");
  write_file(branch(0) / "back/old", "x");
  write_file(branch(1) / "d/both", "new");
  whiteout(branch(1) / "gone");
  whiteout(branch(1) / "back");
  write_file(branch(1) / "opaque/new", "x");
  set_xattr_on(branch(1) / "opaque", "trusted.overlay.opaque", "y");
  write_file(branch(1) / "was_dir", "file now");
  write_file(branch(1) / "was_file/x", "dir now");
  write_file(branch(2) / "back/new", "x");
  const Tree tree = overlay(2);
  EXPECT_THAT(names_in(tree, "/"), ElementsAre("back", "d", "opaque", "was_dir", "was_file"));
  EXPECT_THAT(names_in(tree, "/d"), ElementsAre("both", "low"));
  EXPECT_EQ(content(tree, "/d/both"), "new");
  EXPECT_THAT(names_in(tree, "opaque"), ElementsAre("new"));
  EXPECT_THAT(names_in(tree, "back"), ElementsAre("new"));
  EXPECT_EQ(content(tree, "was_dir"), "file now");
  EXPECT_FALSE(tree.find("gone"));
  EXPECT_FALSE(tree.find("was_dir/x"));
  EXPECT_TRUE(tree.find("opaque")->xattrs().empty());
}

TEST_F(TreeTest, OverlayRootIsNeverOpaque) {
  write_file(branch(0) / "low", "x");
  write_file(branch(1) / "high", "x");
  set_xattr_on(branch(1), "trusted.overlay.opaque", "y");
  EXPECT_THAT(names_in(overlay(1).root()), ElementsAre("high", "low"));
}

TEST_F(TreeTest, UserMarksCountOnlyInARootlessStore) {
  write_file(branch(0) / "d/low", "x");
  write_file(branch(1) / "d/high", "x");
  set_xattr_on(branch(1) / "d", "user.overlay.opaque", "y");
  EXPECT_THAT(names_in(overlay(1), "d"), ElementsAre("high", "low"));
  ASSERT_EQ(0, ::chown(branch(1).c_str(), 1000, 1000));
  EXPECT_THAT(names_in(overlay(1), "d"), ElementsAre("high"));
}

TEST_F(TreeTest, XattrWhiteoutsCountOnlyWhereTheDirectorySaysSo) {
  for (const char* d : {"marked", "unmarked"}) {
    write_file(branch(0) / d / "a", "x");
    write_file(branch(1) / d / "a", "");
    set_xattr_on(branch(1) / d / "a", "trusted.overlay.whiteout", "y");
  }
  set_xattr_on(branch(1) / "marked", "trusted.overlay.opaque", "x");
  EXPECT_THAT(names_in(overlay(1), "marked"), ElementsAre());
  EXPECT_THAT(names_in(overlay(1), "unmarked"), ElementsAre("a"));
}

TEST_F(TreeTest, AufsWhiteoutsOpaqueAndBranchFiles) {
  write_file(branch(0) / "d/low", "x");
  write_file(branch(0) / "d/hidden", "x");
  write_file(branch(0) / "o/low", "x");
  write_file(branch(0) / std::string(255, 'n'), "x");
  write_file(branch(1) / ".wh..wh.aufs", "");
  write_file(branch(1) / ".wh..wh.plnk/1.2", "x");
  write_file(branch(1) / ".wh..wh.orph/x", "x");
  write_file(branch(1) / "d/.wh.hidden", "");
  write_file(branch(1) / "o/.wh..wh..opq", "");
  write_file(branch(1) / "o/high", "");
  const Tree tree = aufs(1);
  EXPECT_THAT(names_in(tree.root()), ElementsAre("d", std::string(255, 'n'), "o"));
  EXPECT_THAT(names_in(tree, "d"), ElementsAre("low"));
  EXPECT_THAT(names_in(tree, "o"), ElementsAre("high"));
  EXPECT_FALSE(tree.find("d/hidden"));
  EXPECT_FALSE(tree.find(".wh..wh.aufs"));
  EXPECT_TRUE(tree.find(std::string(255, 'n')));
}

TEST_F(TreeTest, FindStaysInsideTheTree) {
  write_file(branch(0) / "etc/hosts", "inside");
  fs::create_symlink("/etc", branch(0) / "abs");
  fs::create_symlink("../../../../etc/hosts", branch(0) / "etc/up");
  fs::create_symlink("loop", branch(0) / "loop");
  fs::create_symlink("nowhere", branch(0) / "dangling");
  const Tree tree = test::plain_tree(branch(0));
  EXPECT_EQ(content(tree, "/abs/hosts"), "inside");
  EXPECT_EQ(content(tree, "abs/up"), "inside");
  EXPECT_EQ(content(tree, "../../abs/../etc/./hosts"), "inside");
  EXPECT_TRUE(S_ISLNK(tree.find("abs")->st().st_mode));
  EXPECT_TRUE(tree.find("abs/")->is_dir());
  EXPECT_TRUE(tree.find("abs", Tree::Last::follow)->is_dir());
  EXPECT_FALSE(tree.find("dangling", Tree::Last::follow));
  EXPECT_FALSE(tree.find("etc/hosts/x"));
  EXPECT_FALSE(tree.find("etc/hosts/.."));
  EXPECT_FALSE(tree.find(std::string(300, 'x')));
  EXPECT_THROW(tree.find("loop/x"), Error);
}

TEST_F(TreeTest, FindKnowsNothingStaleAfterOtherPaths) {
  write_file(branch(0) / "a/b/c", "1");
  write_file(branch(0) / "a/d", "2");
  write_file(branch(0) / "x/b/c", "3");
  fs::create_symlink("../x/b", branch(0) / "a/e");
  const Tree tree = test::plain_tree(branch(0));
  for (int round = 0; round < 2; ++round) {
    EXPECT_EQ(content(tree, "a/b/c"), "1");
    EXPECT_EQ(content(tree, "a/e/c"), "3");
    EXPECT_EQ(content(tree, "a/b/../d"), "2");
    EXPECT_EQ(content(tree, "x/b/c"), "3");
  }
}

TEST_F(TreeTest, FindFromManyThreads) {
  for (int i = 0; i < 20; ++i)
    write_file(branch(i % 3) / ("d" + std::to_string(i % 4)) / std::to_string(i), std::to_string(i));
  const Tree tree = overlay(2);
  std::atomic<int> wrong = 0;
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t)
    threads.emplace_back([&, t] {
      for (int i = 0; i < 200; ++i) {
        const int n = (i * 7 + t) % 20;
        if (content(tree, "d" + std::to_string(n % 4) + "/" + std::to_string(n)) != std::to_string(n)) ++wrong;
        if (names_in(tree, "d" + std::to_string(n % 4)).size() != 5) ++wrong;
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(wrong, 0);
}

TEST_F(TreeTest, LinkedDirectoriesOfABranchAreNotFollowed) {
  write_file(dir_ / "outside/secret", "x");
  fs::create_directory_symlink(dir_ / "outside", branch(1) / "d");
  write_file(branch(0) / "d/low", "x");
  const Tree tree = overlay(1);
  EXPECT_TRUE(S_ISLNK(tree.find("d")->st().st_mode));
  EXPECT_TRUE(tree.find("d")->children().empty());
  EXPECT_FALSE(tree.find("d/secret"));
}

TEST_F(TreeTest, RedirectsThatAreNoPathInALayerAreRefused) {
  write_file(dir_ / "outside/secret", "x");
  for (const std::string to : {"../../outside", "/../outside", "a/b", "..", "/", ""}) {
    fs::remove_all(branch(1));
    write_file(branch(1) / "d/x", "");
    write_file(branch(0) / "d/y", "");
    set_xattr_on(branch(1) / "d", "trusted.overlay.redirect", to);
    if (to.empty()) {
      EXPECT_THAT(names_in(overlay(1), "d"), ElementsAre("x", "y"));
      continue;
    }
    try {
      names_in(overlay(1), "d");
      FAIL() << to;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::corrupt) << to;
    }
  }
}

TEST_F(TreeTest, RedirectThroughALinkLeadsNowhere) {
  write_file(dir_ / "outside/d/secret", "x");
  fs::create_directory_symlink(dir_ / "outside", branch(0) / "link");
  write_file(branch(1) / "n/x", "");
  set_xattr_on(branch(1) / "n", "trusted.overlay.redirect", "/link/d");
  EXPECT_THAT(names_in(overlay(1), "n"), ElementsAre("x"));
}

TEST_F(TreeTest, MetacopyWithoutDataIsDamage) {
  write_file(branch(1) / "f", "");
  fs::resize_file(branch(1) / "f", 100000);
  set_xattr_on(branch(1) / "f", "trusted.overlay.metacopy", "");
  const Tree alone = overlay(1);
  EXPECT_FALSE(alone.find("f")->whole());
  EXPECT_THROW(alone.find("f")->open_file(), Error);
  write_file(branch(0) / "f", std::string(100000, 'x'));
  EXPECT_EQ(content(overlay(1), "f").substr(99990), "xxxxxxxxxx");
}

TEST_F(TreeTest, SameSourceIsAboutInodesAndAllThatLiesBelow) {
  write_file(branch(0) / "d/f", "x");
  write_file(branch(0) / "same/f", "x");
  write_file(branch(1) / "d/g", "x");
  const Tree top = overlay(1), low = overlay(0);
  EXPECT_TRUE(top.find("same")->same_source(*low.find("same")));
  EXPECT_TRUE(top.find("d/f")->same_source(*low.find("d/f")));
  EXPECT_FALSE(top.find("d")->same_source(*low.find("d")));
  EXPECT_FALSE(top.root().same_source(low.root()));
  EXPECT_TRUE(top.root().same_source(overlay(1).root()));
  EXPECT_FALSE(top.find("d/f")->same_source(*top.find("same/f")));
}

TEST_F(TreeTest, DeepAndManyBranches) {
  std::string path;
  for (int i = 0; i < 60; ++i) path += "/d";
  for (int b = 0; b < 12; ++b) write_file(branch(b).string() + path + "/" + std::to_string(b), "x");
  const Tree tree = overlay(11);
  size_t files = 0;
  const std::function<void(const TreeNode&)> walk = [&](const TreeNode& node) {
    for (const auto& child : node.children()) child.is_dir() ? walk(child) : void(++files);
  };
  walk(tree.root());
  EXPECT_EQ(files, 12u);
}

// The kernel's own overlay as the judge.
class TreeAgainstKernel : public TreeTest {
 protected:
  // What the kernel shows for layers 0..top, with `options`.
  test::TreeListing mounted(int top, const std::string& options) {
    std::string lower = "lowerdir=" + dir_.path().string() + "/empty";
    for (int i = 0; i <= top; ++i) lower.insert(9, branch(i).string() + ":");
    fs::create_directories(dir_ / "empty");
    const test::TestMount mount("overlay", lower + options, dir_ / "merged");
    return test::list_directory(dir_ / "merged", {.links = false});
  }
  // A writable mount over layers 0..top-1, whose changes become layer `top`.
  void change(int top, const std::string& options, const std::string& commands) {
    std::string lower;
    for (int i = top - 1; i >= 0; --i) lower += (lower.empty() ? "lowerdir=" : ":") + branch(i).string();
    fs::create_directories(dir_ / "work");
    const test::TestMount mount(
        "overlay", lower + ",upperdir=" + branch(top).string() + ",workdir=" + (dir_ / "work").string() + options,
        dir_ / "merged");
    test::run("cd " + (dir_ / "merged").string() + " && " + commands);
  }
  bool can_mount() {
    try {
      mounted(0, "");
      return true;
    } catch (const Error&) {
      return false;
    }
  }
};

TEST_F(TreeAgainstKernel, RenamedDirectoriesAndFilesWithoutTheirData) {
  if (!can_mount()) GTEST_SKIP() << "the kernel cannot mount overlay here";
  const std::string options = ",redirect_dir=on,metacopy=on,index=off";
  test::run("cd " + branch(0).string() +
            " && mkdir -p a/b/c e/f && echo 1 > a/b/c/file && echo 2 > e/f/file && head -c 9999 /dev/urandom > big && "
            "echo s > a/small && echo t > e/t && ln -s a l");
  change(
      1, options,
      "mv a A && chmod 600 big && mv A/b/c e/moved && touch -d 2001-01-01 A/small && rm e/f/file && echo new > A/new");
  change(2, options,
         "mv A deep && mv deep/b e/b2 && chmod 640 big && mv big e/big2 && echo over > e/moved/other && mkdir a && "
         "echo fresh > a/fresh");
  change(3, options, "mv e E && mv E/big2 bigger && chown 7:8 bigger && mv deep/small E/ && mv E/moved E/b2/again");
  for (int top = 0; top <= 3; ++top)
    EXPECT_THAT(test::differences(test::list_tree(overlay(top), {.links = false}),
                                  mounted(top, ",redirect_dir=follow,metacopy=on")),
                IsEmpty())
        << top;
  const auto big = overlay(3).find("bigger");
  ASSERT_TRUE(big);
  EXPECT_FALSE(big->whole());
  EXPECT_EQ(big->st().st_size, 9999);
}

// Random layers of whiteouts, opaque directories and type changes.
TEST_F(TreeAgainstKernel, RandomLayers) {
  if (!can_mount()) GTEST_SKIP() << "the kernel cannot mount overlay here";
  for (unsigned seed = 1; seed <= 12; ++seed) {
    std::mt19937 random(seed);
    const auto pick = [&](int n) { return static_cast<int>(random() % static_cast<unsigned>(n)); };
    for (int layer = 0; layer < 4; ++layer) {
      fs::remove_all(branch(layer));
      for (int i = 0; i < 40; ++i) {
        fs::path path = branch(layer);
        for (int depth = 1 + pick(3); depth > 1; --depth) path /= std::string(1, static_cast<char>('a' + pick(3)));
        std::error_code failed;
        fs::create_directories(path, failed);
        if (failed || !fs::is_directory(fs::symlink_status(path))) continue;
        const fs::path leaf = path / std::string(1, static_cast<char>('a' + pick(5)));
        if (fs::exists(fs::symlink_status(leaf))) continue;
        switch (pick(6)) {
          case 0:
            whiteout(leaf);
            break;
          case 1:
            fs::create_directory(leaf), set_xattr_on(leaf, "trusted.overlay.opaque", "y");
            break;
          case 2:
            fs::create_symlink(std::to_string(seed + static_cast<unsigned>(layer)), leaf);
            break;
          case 3:
            fs::create_directory(leaf);
            break;
          default:
            write_file(leaf, std::to_string(layer));
        }
      }
    }
    EXPECT_THAT(test::differences(test::list_tree(overlay(3), {.links = false}), mounted(3, "")), IsEmpty())
        << "seed " << seed;
  }
}

TEST_F(TreeAgainstKernel, XattrWhiteouts) {
  write_file(branch(0) / "d/a", "x");
  write_file(branch(0) / "d/b", "x");
  write_file(branch(1) / "d/a", "");
  set_xattr_on(branch(1) / "d/a", "trusted.overlay.whiteout", "y");
  set_xattr_on(branch(1) / "d", "trusted.overlay.opaque", "x");
  set_xattr_on(branch(1), "trusted.overlay.opaque", "x");
  if (!can_mount()) GTEST_SKIP() << "the kernel cannot mount overlay here";
  const auto kernel = mounted(1, "");
  if (kernel.contains("/d/a")) GTEST_SKIP() << "the kernel does not know whiteouts in xattrs";
  EXPECT_THAT(test::differences(test::list_tree(overlay(1), {.links = false}), kernel), IsEmpty());
}

}  // namespace
}  // namespace cairn
