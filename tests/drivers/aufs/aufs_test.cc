// aufs' files as Docker lays them out, and what becomes of damaged ones.
#include "drivers/aufs/aufs.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <functional>
#include <map>

#include "core/util/error.h"
#include "drivers/aufs/ancestors.h"
#include "drivers/sys/mount.h"
#include "tests/support/leftover_mounts.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tree_listing.h"

namespace cairn {

namespace fs = std::filesystem;
using test::TempDir;

namespace {

std::string message_of(const std::function<void()>& body, Errc wanted) {
  try {
    body();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), wanted) << e.what();
    EXPECT_EQ(std::string(e.what()).find('\n'), std::string::npos) << e.what();
    return e.what();
  }
  ADD_FAILURE() << "nothing was thrown";
  return "";
}

std::string kind(const fs::path& path) {
  struct stat st;
  if (::lstat(path.c_str(), &st) != 0) return "absent";
  const unsigned mode = st.st_mode & 07777;
  return std::string(S_ISDIR(st.st_mode)   ? "d"
                     : S_ISREG(st.st_mode) ? "f"
                                           : "?") +
         " " + std::to_string(mode / 64) + std::to_string(mode / 8 % 8) + std::to_string(mode % 8);
}

ino_t inode(const fs::path& path) {
  struct stat st;
  return ::lstat(path.c_str(), &st) == 0 ? st.st_ino : 0;
}

}  // namespace

// base <- mid <- top; mid hides two names and has an opaque directory.
class Aufs : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "aufs needs root";
    driver_ = open_aufs(root_.path());
    driver_->create(base_, std::nullopt);
    const auto target = driver_->begin(mid_);
    create_file_at(target->root_fd(), "file", "mid", 0644);
    mkdir_at(target->root_fd(), "opaque", 0700);
    const Fd opaque = open_dir_at(target->root_fd(), "opaque");
    target->hide(target->root_fd(), "gone");
    target->hide(opaque.get(), "too");
    target->make_opaque(opaque.get());
    target->finish(base_, {"."});
    driver_->create(top_, mid_);
  }
  void TearDown() override { test::unmount_leftovers(beside_.path()); }
  fs::path at(const std::string& path) const { return root_ / "aufs" / path; }
  void damage(const std::string& path, const std::string& content) {
    fs::remove_all(at(path));
    test::write_file(at(path), content);
  }
  std::string corrupt_message(const LayerId& id) {
    return message_of([&] { driver_->tree(id); }, Errc::corrupt);
  }
  TempDir root_, beside_;
  std::unique_ptr<Driver> driver_;
  const LayerId base_{"base"}, mid_{"mid"}, top_{"top"};
};

TEST_F(Aufs, LaysOutItsFilesAsTheEngineDoes) {
  const std::map<std::string, std::string> wanted = {{"", "d 710"},  // 0700 up to 20.10.8
                                                     {"layers", "d 710"},
                                                     {"diff", "d 710"},
                                                     {"mnt", "d 710"},
                                                     {"layers/base", "f 644"},
                                                     {"layers/top", "f 644"},
                                                     {"diff/base", "d 755"},
                                                     {"mnt/base", "d 755"},
                                                     {"mnt/mid", "d 755"},
                                                     {"diff/mid/.wh.gone", "f 444"},
                                                     {"diff/mid/opaque/.wh.too", "f 444"},
                                                     {"diff/mid/opaque/.wh..wh..opq", "f 444"},
                                                     {"diff/mid/.wh..wh.aufs", "f 444"},
                                                     {"diff/base/.wh..wh.aufs", "absent"},
                                                     {"diff/top/.wh..wh.aufs", "absent"}};
  for (const auto& [path, kind_wanted] : wanted) EXPECT_EQ(kind(at(path)), kind_wanted) << path;
  EXPECT_EQ(test::read_file(at("layers/base")), "");
  EXPECT_EQ(test::read_file(at("layers/mid")), "base\n");
  EXPECT_EQ(test::read_file(at("layers/top")), "mid\nbase\n");
  const ino_t mark = inode(at("diff/mid/.wh..wh.aufs"));
  for (const char* path : {".wh.gone", "opaque/.wh.too", "opaque/.wh..wh..opq"})
    EXPECT_EQ(inode(at("diff/mid/" + std::string(path))), mark) << path;
  EXPECT_EQ(list_dir(driver_->home_fd()), (std::vector<std::string>{"diff", "layers", "mnt"}));
  EXPECT_EQ(list_dir(open_dir(at("layers")).get()), (std::vector<std::string>{"base", "mid", "top"}));
}

TEST_F(Aufs, RemovingLeavesNothingOfTheLayerAndAllOfTheOthers) {
  driver_->remove(top_);
  for (const char* part : {"layers", "diff", "mnt"})
    EXPECT_EQ(list_dir(open_dir(at(part)).get()), (std::vector<std::string>{"base", "mid"})) << part;
}

TEST_F(Aufs, WhatCrashesLeaveIsListedAndRemovedAndInTheWayUntilThen) {
  for (const char* left : {"diff/x", "mnt/x", "diff/x-removing", "mnt/x-removing"}) {
    fs::create_directories(at(left + std::string("/sub")));
    test::write_file(at(left + std::string("/sub/file")), "content");
    EXPECT_EQ(driver_->list(), (std::vector{base_, mid_, top_, LayerId("x")})) << left;
    EXPECT_FALSE(driver_->exists(LayerId("x"))) << left;
    message_of([&] { driver_->begin(LayerId("x")); }, Errc::already_exists);
    EXPECT_TRUE(fs::exists(at(left + std::string("/sub/file")))) << left;
    driver_->remove(LayerId("x"));
    EXPECT_EQ(driver_->list(), (std::vector{base_, mid_, top_})) << left;
    EXPECT_FALSE(fs::exists(at(left))) << left;
    driver_->create(LayerId("x"), mid_);
    driver_->remove(LayerId("x"));
  }
  message_of([&] { driver_->begin(LayerId("x-removing")); }, Errc::invalid);
}

TEST_F(Aufs, ARemovalCutShortIsRepeated) {
  fs::create_directories(at("diff/top-removing/old"));
  driver_->remove(top_);
  EXPECT_EQ(driver_->list(), (std::vector{base_, mid_}));
  EXPECT_FALSE(fs::exists(at("diff/top-removing")));
}

TEST_F(Aufs, WhatIsMountedInTheMountPointIsNotRemoved) {
  MountSpec tmpfs;
  tmpfs.type = "tmpfs";
  tmpfs.target = fs::canonical(at("mnt/mid"));
  MountGuard guard(tmpfs);
  test::write_file(at("mnt/mid/file"), "content");
  for (const auto& id : {mid_, base_}) message_of([&] { driver_->remove(id); }, Errc::in_use);
  EXPECT_TRUE(fs::exists(at("mnt/mid/file")));
  EXPECT_TRUE(driver_->exists(mid_));
  guard.unmount();
}

namespace {
struct Damaged {
  const char* name;
  const char* file;
  std::string content;
};
}  // namespace

TEST_F(Aufs, DamagedListsAreNamedWithWhatHelps) {
  std::string many;
  for (int i = 0; i < 130; ++i) many += "l" + std::to_string(i) + "\n";
  const std::vector<Damaged> cases = {{"empty", "mid", ""},
                                      {"only_a_newline", "top", "\n"},
                                      {"cut_off", "top", "mid\nba"},
                                      {"cut_off_before_the_newline", "top", "mid\nbase"},
                                      {"cut_off_between_lines", "top", "mid\n"},
                                      {"climbing", "top", "../../etc\n"},
                                      {"absolute", "top", "/etc\n"},
                                      {"dots", "top", "..\n"},
                                      {"carriage_returns", "top", "mid\r\nbase\r\n"},
                                      {"itself", "top", "mid\ntop\nbase\n"},
                                      {"cycle", "mid", "top\nmid\n"},
                                      {"twice", "top", "mid\nbase\nmid\n"},
                                      {"ghost", "top", "ghost\nbase\n"},
                                      {"other_order", "top", "base\nmid\n"},
                                      {"too_many", "top", many},
                                      {"zeros", "top", std::string(9, '\0')},
                                      {"megabytes", "top", std::string(1 << 20, 'l')}};
  const auto whole = test::listing_of(driver_->tree(top_));
  for (const auto& one : cases) {
    const std::string file = "layers/" + std::string(one.file), good = test::read_file(at(file));
    damage(file, one.content);
    const std::string message = corrupt_message(LayerId(one.file));
    EXPECT_NE(message.find("'" + file + "'"), std::string::npos) << one.name << ": " << message;
    EXPECT_NE(message.find("nearest first"), std::string::npos) << one.name << ": " << message;
    message_of([&] { driver_->create(LayerId("child"), LayerId(one.file)); }, Errc::corrupt);
    EXPECT_FALSE(fs::exists(at("diff/child"))) << one.name;
    message_of([&] { driver_->mount(LayerId(one.file), Access::read_only, beside_.path()); }, Errc::corrupt);
    const auto found = driver_->examine({{base_, std::nullopt}, {mid_, base_}, {top_, mid_}});
    ASSERT_EQ(found.size(), 1u) << one.name;
    EXPECT_EQ(found[0].object, one.file);
    EXPECT_EQ(test::listing_of(driver_->tree_over(top_, {mid_, base_})), whole) << one.name;
    damage(file, good);
    EXPECT_NO_THROW(driver_->tree(LayerId(one.file))) << one.name;
  }
}

TEST_F(Aufs, ALayerThatMetadataDoesNotKnowMayStandForAnother) {
  driver_->create(LayerId("twin"), std::nullopt);
  damage("layers/mid", "twin\n");
  EXPECT_TRUE(driver_->examine({{base_, std::nullopt}, {mid_, base_}}).empty());
  EXPECT_EQ(driver_->examine({{base_, std::nullopt}, {mid_, base_}, {LayerId("twin"), std::nullopt}}).size(), 1u);
}

TEST_F(Aufs, DamageOfWhatLiesBelowIsNamed) {
  damage("layers/base", "nonsense");
  EXPECT_NE(corrupt_message(mid_).find("'layers/base'"), std::string::npos);
  damage("layers/base", "");
  fs::remove(at("layers/mid"));
  EXPECT_NE(corrupt_message(top_).find("'layers/mid'"), std::string::npos);
  EXPECT_NE(corrupt_message(mid_).find("'layers/mid'"), std::string::npos);
  EXPECT_FALSE(driver_->exists(mid_));
  fs::create_directory(at("layers/mid"));
  EXPECT_NE(corrupt_message(mid_).find("no regular file"), std::string::npos);
  driver_->remove(mid_);
  EXPECT_FALSE(fs::exists(at("layers/mid")));
}

TEST_F(Aufs, AMissingOrLinkedDiffIsCorrupt) {
  const TempDir outside;
  test::write_file(outside / "secret", "secret");
  fs::remove_all(at("diff/base"));
  EXPECT_NE(corrupt_message(top_).find("'diff/base'"), std::string::npos);
  fs::create_directory_symlink(outside.path(), at("diff/base"));
  EXPECT_NE(corrupt_message(top_).find("'diff/base'"), std::string::npos);
  message_of([&] { driver_->mount(top_, Access::read_only, beside_.path()); }, Errc::corrupt);
  driver_->remove(top_);
  driver_->remove(mid_);
  driver_->remove(base_);
  EXPECT_TRUE(fs::exists(outside / "secret"));
}

TEST_F(Aufs, StrayNamesAreNoLayers) {
  test::write_file(at("layers/.tmp-cairn-0123"), "");
  fs::create_directory(at("diff/.hidden"));
  fs::create_directory(at("mnt/-removing"));
  EXPECT_EQ(driver_->list(), (std::vector{base_, mid_, top_}));
}

TEST_F(Aufs, ANameTooLongForItsWhiteoutCannotBeHidden) {
  const auto target = driver_->begin(LayerId("long"));
  target->hide(target->root_fd(), std::string(251, 'n'));
  EXPECT_NE(
      message_of([&] { target->hide(target->root_fd(), std::string(252, 'n')); }, Errc::unsupported).find("too long"),
      std::string::npos);
  EXPECT_EQ(list_dir(target->root_fd()), (std::vector<std::string>{".wh..wh.aufs", ".wh." + std::string(251, 'n')}));
}

TEST_F(Aufs, NamesThatNoLayerHasNeedNoWhiteout) {
  const auto target = driver_->begin(LayerId("x"));
  target->hide(target->root_fd(), ".wh..opq");  // would make the layer opaque
  EXPECT_TRUE(list_dir(target->root_fd()).empty());
}

TEST_F(Aufs, AFileThatWouldHideAnotherIsRefused) {
  for (const char* forged : {".wh.a", "d/.wh.a", "d/.wh..wh..opq", "d/.wh.dir/", ".wh..wh.aufs"}) {
    const auto target = driver_->begin(LayerId("forged"));
    mkdir_at(target->root_fd(), "d", 0755);
    target->hide(open_dir_at(target->root_fd(), "d").get(), "hidden");
    remove_tree_at(target->root_fd(), ".wh..wh.aufs");
    const std::string name = forged;
    if (name.ends_with('/'))
      mkdir_at(target->root_fd(), name, 0755);
    else
      create_file_at(target->root_fd(), name, "", 0444);
    const std::string message = message_of([&] { target->finish(mid_, {"."}); }, Errc::unsupported);
    EXPECT_NE(message.find(".wh."), std::string::npos) << message;
    EXPECT_FALSE(driver_->exists(LayerId("forged")));
  }
  EXPECT_EQ(driver_->list(), (std::vector{base_, mid_, top_}));
}

TEST_F(Aufs, AWhiteoutInASetGroupIdDirectoryIsRoots) {
  const auto target = driver_->begin(LayerId("gid"));
  ASSERT_EQ(::fchown(target->root_fd(), 0, 50), 0);
  ASSERT_EQ(::fchmod(target->root_fd(), 02775), 0);
  target->hide(target->root_fd(), "gone");
  struct stat st;
  ASSERT_EQ(::fstatat(target->root_fd(), ".wh.gone", &st, AT_SYMLINK_NOFOLLOW), 0);
  EXPECT_EQ(st.st_gid, 0u);
}

TEST_F(Aufs, AnOpaqueRootIsSpelledOutForTheKernel) {
  const auto target = driver_->begin(LayerId("alone"));
  mkdir_at(target->root_fd(), "opaque", 0755);
  target->make_opaque(target->root_fd());
  const struct timespec times[2] = {{1000, 0}, {1234567890, 5}};
  ASSERT_EQ(::utimensat(target->root_fd(), "opaque", times, 0), 0);
  ASSERT_EQ(::futimens(target->root_fd(), times), 0);
  target->finish(mid_, {});
  EXPECT_EQ(kind(at("diff/alone/.wh.file")), "f 444");
  EXPECT_EQ(kind(at("diff/alone/opaque/.wh..wh..opq")), "f 444");
  for (const char* path : {".", "opaque"})
    EXPECT_EQ(driver_->tree(LayerId("alone")).find(path)->st().st_mtim.tv_sec, 1234567890) << path;
}

TEST_F(Aufs, LimitsItsDepthAndMountsAllOfIt) {
  LayerId below = base_;
  for (int i = 1; i <= 128; ++i) {
    const LayerId id("deep" + std::to_string(i));
    const auto target = driver_->begin(id);
    create_file_at(target->root_fd(), "own-" + std::to_string(i), "x", 0644);
    fs::create_directories(at("diff/" + id.str() + "/d/d/d/d/d/d/d/d/d/d"));  // more directories than descriptors
    if (i % 3 == 0) target->hide(target->root_fd(), "own-" + std::to_string(i - 1));
    target->finish(below, {"."});
    below = id;
  }
  message_of([&] { driver_->create(LayerId("too-deep"), below); }, Errc::unsupported);
  EXPECT_FALSE(driver_->exists(LayerId("too-deep")));
  if (!driver_->probe().mountable) GTEST_SKIP() << "aufs does not mount here: " << driver_->probe().why_not;
  for (const auto& id : {LayerId("deep125"), below}) {  // 126 branches; 129
    driver_->mount(id, Access::read_only, beside_.path());
    EXPECT_EQ(test::listing_of_directory(beside_.path()), test::listing_of(driver_->tree(id)));
    unmount(beside_.path());
  }
}

TEST_F(Aufs, WithoutTheKernelsAufsALayerWithParentsIsNotMountedForWriting) {
  if (driver_->probe().writable_mounts) GTEST_SKIP() << "this kernel has aufs";
  const std::string message =
      message_of([&] { driver_->mount(top_, Access::read_write, beside_.path()); }, Errc::unsupported);
  EXPECT_NE(message.find("modprobe aufs"), std::string::npos) << message;
  message_of([&] { driver_->mount(mid_, Access::read_write, beside_.path()); }, Errc::invalid);  // top lies on it
}

TEST_F(Aufs, OptionsAreCheckedByName) {
  message_of([&] { open_aufs(root_.path(), {{{"dm.basesize", "1"}}}); }, Errc::invalid);
}

TEST_F(Aufs, ProbingLeavesNothing) {
  const auto table = mount_table().size();
  const DriverStatus status = driver_->probe();
  EXPECT_TRUE(status.readable);
  EXPECT_EQ(status.why_not.empty(), status.writable && status.mountable && status.writable_mounts);
  EXPECT_EQ(status.why_not.empty(), status.remedy.empty());
  EXPECT_EQ(mount_table().size(), table);
  EXPECT_EQ(driver_->list(), (std::vector{base_, mid_, top_}));
}

}  // namespace cairn
