#include "core/archive/changes.h"

#include <gmock/gmock.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/archive/apply.h"
#include "core/util/error.h"
#include "tests/core/archive/listing.h"
#include "tests/core/archive/random_tree.h"
#include "tests/support/fake_diff_target.h"
#include "tests/support/temp_dir.h"

namespace cairn {

void PrintTo(const Change& change, std::ostream* out) { *out << static_cast<char>(change.kind) << " " << change.path; }

namespace {

namespace fs = std::filesystem;
using test::read_file;
using test::write_file;
using testing::ElementsAre;
using testing::IsEmpty;

Change added(const std::string& path) { return {ChangeKind::added, path}; }
Change modified(const std::string& path) { return {ChangeKind::modified, path}; }
Change deleted(const std::string& path) { return {ChangeKind::deleted, path}; }

// A parent and a tree that starts as its copy.
class ChangesTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "needs root for owners and devices";
    fs::create_directories(old_);
  }
  void copy_parent() { test::run("cp -a " + old_.string() + " " + new_.string()); }
  void in_tree(const std::string& commands) { test::run("cd " + new_.string() + " && " + commands); }
  void in_parent(const std::string& commands) { test::run("cd " + old_.string() + " && " + commands); }
  Tree tree() { return test::plain_tree(new_); }
  Tree parent() { return test::plain_tree(old_); }
  std::vector<Change> changes(Compare rule = Compare::docker) {
    return changes_between(tree(), parent(), {.rule = rule});
  }

  test::TempDir dir_;
  fs::path old_ = dir_ / "old", new_ = dir_ / "new";
};

TEST_F(ChangesTest, CopiesDoNotDiffer) {
  test::RandomTree(1).make(old_);
  copy_parent();
  EXPECT_THAT(changes(), IsEmpty());
  EXPECT_THAT(changes(Compare::exact), IsEmpty());
}

// P58: thirteen mutations.
TEST_F(ChangesTest, P58_DirsMutated) {
  in_parent(
      "for i in 1 2 3 4 5; do echo $i > file$i; mkdir dir$i; echo x > dir$i/f; done; ln -s target1 symlink1; ln -s "
      "target2 symlink2;"
      "ln -s t symlinknew0; touch -d '2020-01-01' * dir*/*");
  copy_parent();
  in_tree(
      "rm file1; rm -r dir1; rm symlink1; echo longer text > file2; rm file3 && echo other text > file3; touch -d "
      "'2021-01-01' file4;"
      "rm file5 && mkdir file5; rm -r dir2 && echo y > dir2; echo n > newfile; mkdir newdir; ln -s n newlink;"
      "ln -sf target2change symlink2; touch -d '2021-01-01' dir3");
  EXPECT_THAT(changes(),
              ElementsAre(deleted("/dir1"), modified("/dir2"), deleted("/file1"), modified("/file2"),
                          modified("/file3"), modified("/file4"), modified("/file5"), added("/newdir"),
                          added("/newfile"), added("/newlink"), deleted("/symlink1"), modified("/symlink2")));
}

TEST_F(ChangesTest, ParentsOfChangesAreListedButNeverTheRoot) {
  in_parent("mkdir -p a/b/c x; echo 1 > a/b/c/f; echo 2 > a-b; touch -d 2020-01-01 a-b");
  copy_parent();
  in_tree("echo 12 > a/b/c/f; echo 22 > a-b; chmod 700 .; touch x");
  EXPECT_THAT(changes(), ElementsAre(modified("/a"), modified("/a-b"), modified("/a/b"), modified("/a/b/c"),
                                     modified("/a/b/c/f")));
}

TEST_F(ChangesTest, OnlyTheTopOfADeletedTreeButAllOfANewOne) {
  in_parent("mkdir -p gone/a/b; touch gone/a/b/c gone/d");
  copy_parent();
  in_tree("rm -r gone; mkdir -p new/a; touch new/a/b");
  EXPECT_THAT(changes(), ElementsAre(deleted("/gone"), added("/new"), added("/new/a"), added("/new/a/b")));
}

TEST_F(ChangesTest, TypeChanges) {
  in_parent("mkdir -p d/sub; touch d/sub/x f");
  copy_parent();
  in_tree("rm -r d && echo > d; rm f && mkdir f && touch f/inside");
  EXPECT_THAT(changes(), ElementsAre(modified("/d"), modified("/f"), added("/f/inside")));
}

TEST_F(ChangesTest, EmptyTrees) {
  in_parent("mkdir a; touch a/b c");
  EXPECT_THAT(changes_between(parent(), Tree()), ElementsAre(added("/a"), added("/a/b"), added("/c")));
  EXPECT_THAT(changes_between(Tree(), parent()), ElementsAre(deleted("/a"), deleted("/c")));
  EXPECT_THAT(changes_between(Tree(), Tree()), IsEmpty());
}

TEST_F(ChangesTest, DirectoryTimesCountOnlyWhenAsked) {
  in_parent("mkdir d");
  copy_parent();
  in_tree("touch -d 2001-01-01 d");
  EXPECT_THAT(changes(), IsEmpty());
  EXPECT_THAT(changes(Compare::exact), IsEmpty());
  EXPECT_THAT(changes_between(tree(), parent(), {.rule = Compare::exact, .directory_times = true}),
              ElementsAre(modified("/d")));
}

struct RuleCase {
  const char* name;
  const char* parent;  // makes "f"
  const char* change;
  bool docker, exact;
};
class ChangeRules : public ChangesTest, public testing::WithParamInterface<RuleCase> {};
TEST_P(ChangeRules, DockerAndExact) {
  in_parent(GetParam().parent);
  copy_parent();
  in_tree(GetParam().change);
  const auto want = [](bool differs) { return differs ? std::vector<Change>{modified("/f")} : std::vector<Change>{}; };
  EXPECT_EQ(changes(Compare::docker), want(GetParam().docker));
  EXPECT_EQ(changes(Compare::exact), want(GetParam().exact));
}
constexpr const char* kFile = "echo a > f; touch -d '2020-01-01 00:00:00.5' f";
INSTANTIATE_TEST_SUITE_P(
    , ChangeRules,
    testing::Values(RuleCase{"Mode", kFile, "chmod 4755 f; touch -r ../old/f f", true, true},
                    RuleCase{"Owner", kFile, "chown 1:2 f", true, true},
                    RuleCase{"Device", "mknod f c 1 3; touch -d 2020-01-01 f",
                             "rm f; mknod f c 1 5; touch -d 2020-01-01 f", true, true},
                    RuleCase{"Size", kFile, "echo ab > f; touch -r ../old/f f", true, true},
                    RuleCase{"Time", kFile, "touch -d '2020-01-01 00:00:01.5' f", true, true},
                    RuleCase{"FractionOfASecond", kFile, "touch -d '2020-01-01 00:00:00.6' f", true, true},
                    RuleCase{"FractionLost", kFile, "touch -d '2020-01-01 00:00:00' f", false, true},
                    RuleCase{"Capability", kFile, "setfattr -n security.capability -v 0sAQAAAgAgAAAAAAAAAAAAAAAAAAA= f",
                             true, true},
                    RuleCase{"OtherXattr", kFile, "setfattr -n user.a -v b f", false, true},
                    RuleCase{"Content", kFile, "echo b > f; touch -r ../old/f f", false, true},
                    RuleCase{"LinkTarget", "ln -s one f; touch -h -d 2020-01-01 f",
                             "ln -sf two f; touch -h -d 2020-01-01 f", false, true},
                    RuleCase{"Touched", kFile, "touch -a f", false, false}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(ChangesTest, ForcedNamesCountWhateverTheyLookLike) {
  in_parent("mkdir -p d/e other; touch d/e/f d/g other/x");
  copy_parent();
  in_tree("touch new");
  const std::set<std::string> forced = {"d/e/f", "new", "absent"};
  EXPECT_THAT(changes_between(tree(), parent(), {.forced = &forced}),
              ElementsAre(modified("/d"), modified("/d/e"), modified("/d/e/f"), added("/new")));
  // Also where both trees show the very same directory.
  EXPECT_THAT(changes_between(parent(), parent(), {.rule = Compare::exact, .forced = &forced}),
              ElementsAre(modified("/d"), modified("/d/e"), modified("/d/e/f")));
  const std::set<std::string> dir = {"d"};
  EXPECT_THAT(changes_between(parent(), parent(), {.forced = &dir}), ElementsAre(modified("/d")));
}

TEST_F(ChangesTest, ContentIsNotReadWhenTheForcedNamesSayAll) {
  in_parent(kFile);
  copy_parent();
  in_tree("echo b > f; touch -r ../old/f f");
  EXPECT_THAT(changes_between(tree(), parent(), {.rule = Compare::exact, .compare_content = false}), IsEmpty());
}

TEST_F(ChangesTest, LargeFilesAreComparedToTheEnd) {
  write_file(old_ / "f", std::string(700000, 'x'));
  copy_parent();
  in_tree("printf y | dd of=f bs=1 seek=699999 conv=notrunc status=none; touch -r ../old/f f");
  EXPECT_THAT(changes(Compare::exact), ElementsAre(modified("/f")));
}

TEST_F(ChangesTest, AChangedFileComesWithAllItsNames) {
  in_parent("mkdir a b c; echo x > a/one; ln a/one b/two; ln a/one c/three; echo y > single");
  copy_parent();
  in_tree("ln a/one b/new");
  EXPECT_THAT(changes(Compare::docker), ElementsAre(modified("/b"), added("/b/new")));
  EXPECT_THAT(changes(Compare::exact), ElementsAre(modified("/a"), modified("/a/one"), modified("/b"), added("/b/new"),
                                                   modified("/b/two"), modified("/c"), modified("/c/three")));
}

TEST_F(ChangesTest, LinksMadeOrUndoneBetweenEqualFiles) {
  in_parent("echo x > a; echo x > b; echo y > c; ln c d; echo z > e; ln e f; touch -d 2020-01-01 *");
  copy_parent();
  in_tree("ln -f a b; cp -a c c2 && mv -f c2 c; rm f; touch -d 2020-01-01 *");
  EXPECT_THAT(changes(Compare::docker), ElementsAre(deleted("/f")));
  EXPECT_THAT(changes(Compare::exact),
              ElementsAre(modified("/a"), modified("/b"), modified("/c"), modified("/d"), deleted("/f")));
}

// overlay (v1): the tree is made of hard links to its parent's files.
TEST_F(ChangesTest, HardLinkedTrees) {
  in_parent("mkdir d e; echo 1 > d/a; echo 2 > d/b; ln d/b e/b");
  test::run("cp -al " + old_.string() + " " + new_.string());
  EXPECT_THAT(changes(Compare::exact), IsEmpty());
  in_tree("rm d/a && echo 3 > d/a; ln d/b e/c");
  EXPECT_THAT(changes(Compare::exact), ElementsAre(modified("/d"), modified("/d/a"), modified("/d/b"), modified("/e"),
                                                   modified("/e/b"), added("/e/c")));
}

TEST_F(ChangesTest, NamesInDirectoriesBothTreesShareAreFoundToo) {
  in_parent("mkdir same; echo x > same/one");
  fs::create_directories(new_);
  fs::create_hard_link(old_ / "same/one", new_ / "two");
  const Tree merged = test::overlay_tree({new_, old_}), below = test::overlay_tree({old_});
  EXPECT_THAT(changes_between(merged, below, {.rule = Compare::exact}),
              ElementsAre(modified("/same"), modified("/same/one"), added("/two")));
}

TEST_F(ChangesTest, UnionsAreComparedByWhatTheyShow) {
  in_parent("mkdir -p a/b keep; echo 1 > a/b/f; echo 2 > a/g; echo 3 > keep/h");
  fs::create_directories(new_);
  in_tree("mkdir -p a/b; echo new > a/b/n; mknod a/g c 0 0; setfattr -n trusted.overlay.opaque -v y a/b");
  EXPECT_THAT(changes_between(test::overlay_tree({new_, old_}), test::overlay_tree({old_})),
              ElementsAre(modified("/a"), modified("/a/b"), deleted("/a/b/f"), added("/a/b/n"), deleted("/a/g")));
}

class WriteTest : public ChangesTest {
 protected:
  static std::string diff(const Tree& tree, const Tree& parent, Compare rule = Compare::exact) {
    StringSink out;
    write_diff(tree, changes_between(tree, parent, {.rule = rule}), out);
    return out.text;
  }
  static std::vector<std::string> names(const std::string& bytes) {
    std::vector<std::string> out;
    const auto source = read_from(bytes);
    TarReader reader(*source);
    while (const TarEntry* entry = reader.next())
      out.push_back(entry->name + (entry->type == TarType::hard_link ? " -> " + entry->link_target : ""));
    return out;
  }
};

TEST_F(WriteTest, DiffHoldsWhatDockersWould) {
  in_parent("mkdir d; touch d/gone top; echo x > d/mod");
  copy_parent();
  in_tree("rm d/gone top; echo longer > d/mod; ln d/mod d/second; ln -s t sym; mkfifo pipe");
  const int sock = ::socket(AF_UNIX, SOCK_STREAM, 0);
  sockaddr_un address{AF_UNIX, {}};
  std::snprintf(address.sun_path, sizeof address.sun_path, "%s/sock", new_.c_str());
  ASSERT_EQ(0, ::bind(sock, reinterpret_cast<sockaddr*>(&address), sizeof address));
  ::close(sock);
  const std::string bytes = diff(tree(), parent(), Compare::docker);
  EXPECT_THAT(names(bytes), ElementsAre("d/", "d/.wh.gone", "d/mod", "d/second -> d/mod", "pipe", "sym", ".wh.top"));
  const auto source = read_from(bytes);
  TarReader reader(*source);
  while (const TarEntry* entry = reader.next()) {
    if (entry->name != "d/.wh.gone") continue;
    EXPECT_EQ(entry->mode | entry->uid | entry->gid, 0u);
    EXPECT_EQ(entry->mtime.tv_sec, 0);
    EXPECT_EQ(entry->type, TarType::file);
  }
}

TEST_F(WriteTest, DiffIsTheSameEveryTime) {
  test::RandomTree(3).make(old_);
  copy_parent();
  test::RandomTree(4).mutate(new_);
  EXPECT_EQ(diff(tree(), parent()), diff(tree(), parent()));
}

TEST_F(WriteTest, DiffReturnsTheBytesOfContent) {
  in_parent("printf 12345 > a; ln a b; printf 123 > c; mkdir d");
  StringSink out;
  EXPECT_EQ(write_diff(parent(), changes_between(parent(), Tree()), out), 8);
}

TEST_F(WriteTest, DiffOfNothingIsTheEmptyTar) { EXPECT_EQ(diff(parent(), parent()), std::string(1024, '\0')); }

TEST_F(WriteTest, OtherTarsReadIt) {
  test::RandomTree(5, {.sockets = false}).make(old_);
  write_file(dir_ / "diff.tar", diff(parent(), Tree()));
  test::run("mkdir " + new_.string() + " && tar -C " + new_.string() + " -xpf " + (dir_ / "diff.tar").string() +
            " --xattrs --xattrs-include='*'");
  EXPECT_THAT(test::differences(test::list_directory(new_), test::list_directory(old_)), IsEmpty());
}

TEST_F(WriteTest, ExportIsTheWholeTreeInTheOrderOfAWalk) {
  in_parent("mkdir a; touch a/b a-b z; ln z zz");
  fs::create_directories(new_);
  in_tree("mknod a-b c 0 0; mkdir a; touch a/c");
  StringSink out;
  write_export(test::overlay_tree({new_, old_}), out);
  EXPECT_THAT(names(out.text), ElementsAre("a/", "a/b", "a/c", "z", "zz -> z"));
  StringSink nothing;
  write_export(Tree(), nothing);
  EXPECT_EQ(nothing.text, std::string(1024, '\0'));
}

// By a 20.10 engine's own tar of such a directory, field by field.
TEST_F(ChangesTest, EnginesTellMarksOfALayersOwnFilesInTheirOwnForm) {
  fs::create_directories(new_);
  in_tree(
      "mkdir -m 700 d d/in && mknod d/gone c 0 0 && echo x > d/file && ln d/file link && touch -d @5 d/in d/file && "
      "touch -d @1 d/gone d");
  ASSERT_EQ(::setxattr((new_ / "d").c_str(), "trusted.overlay.opaque", "y", 1, 0), 0);
  const auto heads = [&](EngineTarForm form) {
    StringSink out;
    write_engine_diff(tree(), form, out);
    const std::string& tar = out.text;
    std::string text;
    for (size_t at = 0; at + 1024 < tar.size(); at += 512) {
      const auto field = [&](size_t from, size_t size) { return std::string(tar.substr(at + from, size).c_str()); };
      if (tar.substr(at + 257, 5) == "ustar")
        text += field(0, 100) + " " + tar[at + 156] + field(100, 8) + " " + field(136, 12) + field(265, 32) + "\n";
    }
    return text;
  };
  const std::string mtime = "00000000005";
  EXPECT_EQ(heads({}), "d/ 50040700 00000000001root\nd/.wh..wh..opq 00000700 00000000000root\nd/file 00100644 " +
                           mtime + "root\nd/.wh.gone 00000600 00000000001root\nd/in/ 50040700 " + mtime +
                           "root\nlink 10100644 " + mtime + "root\n");
  EXPECT_EQ(heads({false, false}), "d/ 50000700 00000000001\nd/.wh..wh..opq 00000700 00000000000\nd/file 00000644 " +
                                       mtime + "\nd/.wh.gone 00000600 00000000001\nd/in/ 50000700 " + mtime +
                                       "\nlink 10000644 " + mtime + "\n");
}

// What write_diff writes, apply_tar makes again: any two trees.
class RoundTrip : public WriteTest, public testing::WithParamInterface<unsigned> {};
TEST_P(RoundTrip, DiffAppliedOnTheParentShowsTheTree) {
  test::RandomTree random(GetParam(), {.sockets = false, .subseconds = false});
  random.make(old_);
  copy_parent();
  random.mutate(new_);
  const std::string bytes = diff(tree(), parent());
  const auto source = read_from(bytes);
  TarReader reader(*source);
  {
    test::FakeDiffTarget target(dir_ / "applied");
    EXPECT_THAT(apply_tar(reader, target).links, IsEmpty());
  }
  EXPECT_THAT(
      test::differences(test::list_tree(test::overlay_tree({dir_ / "applied", old_})), test::list_directory(new_)),
      IsEmpty());
  EXPECT_THAT(changes_between(test::overlay_tree({dir_ / "applied", old_}), tree(), {.rule = Compare::exact}),
              IsEmpty());
}
INSTANTIATE_TEST_SUITE_P(Seeds, RoundTrip, testing::Range(1u, 21u));

}  // namespace
}  // namespace cairn
