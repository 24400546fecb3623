// overlay2's files as Docker lays them out, and what becomes of damaged ones.
#include "drivers/overlay2/overlay2.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "core/util/error.h"
#include "drivers/overlay2/links.h"
#include "tests/support/leftover_mounts.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tree_listing.h"

namespace cairn {

namespace fs = std::filesystem;
using test::TempDir;

TEST(LinkId, IsTheEnginesBase32) {
  std::string bytes;
  for (char i = 0; i <= 16; ++i) bytes += i;
  EXPECT_EQ(overlay2::link_id(bytes), "AAAQEAYEAUDAOCAJBIFQYDIOB4");
  EXPECT_EQ(overlay2::link_id(std::string(17, '\xff')), std::string(26, '7'));
}

class Overlay2 : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "overlay2 needs root";
    driver_ = open_overlay2(root_.path());
    driver_->create(base_, std::nullopt);
    const auto target = driver_->begin(mid_);
    create_file_at(target->root_fd(), "file", "mid", 0644);
    target->hide(target->root_fd(), "gone");
    mkdir_at(target->root_fd(), "opaque", 0700);
    target->make_opaque(open_dir_at(target->root_fd(), "opaque").get());
    target->finish(base_, {"."});
    driver_->create(top_, mid_);
  }
  void TearDown() override { test::unmount_leftovers(beside_.path()); }
  fs::path at(const std::string& path) const { return root_ / "overlay2" / path; }
  static std::string kind(const fs::path& path) {
    struct stat st;
    if (::lstat(path.c_str(), &st) != 0) return "absent";
    return std::string(S_ISDIR(st.st_mode)   ? "d"
                       : S_ISLNK(st.st_mode) ? "l"
                       : S_ISCHR(st.st_mode) ? "c"
                                             : "f") +
           " " + std::to_string((st.st_mode & 07777) / 64) + std::to_string((st.st_mode & 63) / 8) +
           std::to_string(st.st_mode & 7);
  }
  std::string link(const std::string& id) const { return test::read_file(at(id + "/link")); }
  void damage(const std::string& path, const std::string& content) {
    fs::remove(at(path));
    test::write_file(at(path), content);
  }
  // The message, which must name `file` and say what helps; "" if nothing was thrown.
  std::string corrupt_message(const LayerId& id) {
    try {
      driver_->tree(id);
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::corrupt) << e.what();
      return e.what();
    }
    return "";
  }
  TempDir root_, beside_;
  std::unique_ptr<Driver> driver_;
  const LayerId base_{"base"}, mid_{"mid"}, top_{"top"};
};

TEST_F(Overlay2, LaysOutItsFilesAsTheEngineDoes) {
  const std::map<std::string, std::string> wanted = {{"", "d 710"},
                                                     {"l", "d 700"},
                                                     {"base", "d 710"},
                                                     {"base/diff", "d 755"},
                                                     {"base/link", "f 644"},
                                                     {"base/lower", "absent"},
                                                     {"base/work", "absent"},
                                                     {"base/merged", "absent"},
                                                     {"base/committed", "f 600"},
                                                     {"mid/diff", "d 755"},
                                                     {"mid/link", "f 644"},
                                                     {"mid/lower", "f 644"},
                                                     {"mid/work", "d 700"},
                                                     {"mid/committed", "f 600"},
                                                     {"top/committed", "absent"},
                                                     {"mid/diff/gone", "c 000"},
                                                     {".cairn-mid", "absent"}};
  for (const auto& [path, kind_wanted] : wanted) EXPECT_EQ(kind(at(path)), kind_wanted) << path;
  EXPECT_EQ(test::read_file(at("mid/lower")), "l/" + link("base"));
  EXPECT_EQ(test::read_file(at("top/lower")), "l/" + link("mid") + ":l/" + link("base"));
  EXPECT_EQ(test::read_file(at("base/committed")), "");
  for (const char* id : {"base", "mid", "top"}) {
    EXPECT_EQ(link(id).size(), 26u);
    EXPECT_EQ(link(id).find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"), std::string::npos);
    EXPECT_EQ(fs::read_symlink(at("l/" + link(id))), "../" + std::string(id) + "/diff");
  }
  char opaque = 0;
  EXPECT_EQ(::getxattr(at("mid/diff/opaque").c_str(), "trusted.overlay.opaque", &opaque, 1), 1);
  EXPECT_EQ(opaque, 'y');
  struct stat st;
  ASSERT_EQ(::lstat(at("mid/diff/gone").c_str(), &st), 0);
  EXPECT_EQ(st.st_rdev, makedev(0, 0));
}

TEST_F(Overlay2, RemovingTakesTheLinkAndOnlyThat) {
  const std::string top_link = link("top");
  driver_->remove(top_);
  EXPECT_EQ(kind(at("top")), "absent");
  EXPECT_EQ(kind(at("l/" + top_link)), "absent");
  EXPECT_EQ(driver_->list(), (std::vector{base_, mid_}));
  EXPECT_EQ(fs::read_symlink(at("l/" + link("mid"))), "../mid/diff");
}

TEST_F(Overlay2, RemovingADamagedLayerNeverTakesTheLinksOfOthers) {
  damage("top/link", link("mid"));  // leads to mid
  driver_->remove(top_);
  EXPECT_TRUE(fs::is_symlink(at("l/" + link("mid"))));
  driver_->create(top_, mid_);
  damage("top/link", "");  // would name l itself
  driver_->remove(top_);
  EXPECT_TRUE(fs::is_directory(at("l")));
  EXPECT_EQ(std::distance(fs::directory_iterator(at("l")), fs::directory_iterator()), 2);  // top's own went, too
}

TEST_F(Overlay2, RemovingTakesWhatAnEarlierRemovalLeftAsWell) {
  const std::string name = link("top");
  fs::create_directories(at(".cairn-top/diff/old"));
  driver_->remove(top_);
  EXPECT_EQ(driver_->list(), (std::vector{base_, mid_}));
  EXPECT_EQ(kind(at(".cairn-top")), "absent");
  EXPECT_EQ(kind(at("l/" + name)), "absent");
}

TEST_F(Overlay2, AWhiteoutInASetGroupIdDirectoryIsRoots) {
  const auto target = driver_->begin(LayerId("gid"));
  mkdir_at(target->root_fd(), "d", 02775);
  ASSERT_EQ(::fchownat(target->root_fd(), "d", 0, 50, 0), 0);
  ASSERT_EQ(::fchmodat(target->root_fd(), "d", 02775, 0), 0);
  target->hide(open_dir_at(target->root_fd(), "d").get(), "gone");
  struct stat st;
  ASSERT_EQ(::fstatat(target->root_fd(), "d/gone", &st, AT_SYMLINK_NOFOLLOW), 0);
  EXPECT_EQ(st.st_gid, 0u);
}

TEST_F(Overlay2, ItsOwnNamesAreNoLayers) {
  for (const char* name : {"l", "backingFsBlockDev"}) {
    EXPECT_THROW(driver_->remove(LayerId(name)), Error) << name;
    EXPECT_THROW(driver_->create(LayerId(name), std::nullopt), Error) << name;
    EXPECT_THROW(driver_->tree(LayerId(name)), Error) << name;
  }
  EXPECT_TRUE(fs::is_directory(at("l")));
  fs::create_directory(at("backingFsBlockDev"));
  fs::create_directory(at(".hidden"));
  test::write_file(at("stray"), "no directory");
  EXPECT_EQ(driver_->list(), (std::vector{base_, mid_, top_}));
}

TEST_F(Overlay2, ANewlineAtTheEndIsTolerated) {
  damage("mid/lower", "l/" + link("base") + "\n");
  damage("base/link", link("base") + "\n");
  EXPECT_NO_THROW(driver_->tree(mid_));
  driver_->create(LayerId("child"), base_);
  EXPECT_EQ(test::read_file(at("child/lower")), "l/" + link("base").substr(0, 26));
}

TEST_F(Overlay2, AbsoluteLinksAndLongIdsAreUnderstood) {
  const std::string name = link("base");
  fs::remove(at("l/" + name));
  fs::create_symlink("/some/other/root/overlay2/base/diff", at("l/" + name));
  EXPECT_EQ(driver_->tree(mid_).root().children().size(), 2u);
  damage("mid/lower", "base/diff");
  EXPECT_NO_THROW(driver_->tree(mid_));
}

TEST_F(Overlay2, ALostLinkIsFoundByTheLayersOwnFile) {
  const auto before = test::listing_of(driver_->tree(top_));
  for (const auto& entry : fs::directory_iterator(at("l"))) fs::remove(entry);
  EXPECT_EQ(test::listing_of(driver_->tree(top_)), before);
  EXPECT_TRUE(fs::is_empty(at("l")));  // in memory only
  fs::remove(at("l"));
  EXPECT_EQ(test::listing_of(driver_->tree(top_)), before);
  driver_->mount(top_, Access::read_only, beside_.path());
  EXPECT_EQ(test::listing_of_directory(beside_.path()), before);
  unmount(beside_.path());
}

namespace {
struct Damaged {
  const char* name;
  std::string file, content;
};
}  // namespace

TEST_F(Overlay2, DamagedFilesAreNamedWithWhatHelps) {
  const std::string deep = [&] {
    std::string out = "l/" + link("base");
    for (int i = 0; i < 128; ++i) out += ":l/" + link("base");
    return out;
  }();
  const std::vector<Damaged> cases = {{"empty", "mid/lower", ""},
                                      {"only_newline", "mid/lower", "\n"},
                                      {"no_link", "mid/lower", "nonsense"},
                                      {"climbing", "mid/lower", "l/../../etc"},
                                      {"absolute", "mid/lower", "/etc"},
                                      {"the_links_themselves", "mid/lower", "l/"},
                                      {"dots", "mid/lower", "l/.."},
                                      {"unknown_link", "mid/lower", "l/QQQQ"},
                                      {"empty_entry", "mid/lower", "l/" + link("base") + ":"},
                                      {"too_deep", "mid/lower", deep},
                                      {"zeros", "mid/lower", std::string(28, '\0')},
                                      {"megabytes", "mid/lower", std::string(1 << 20, 'l')}};
  const std::string good = test::read_file(at("mid/lower"));
  for (const auto& one : cases) {
    damage(one.file, one.content);
    const std::string message = corrupt_message(mid_);
    EXPECT_NE(message.find("mid/lower"), std::string::npos) << one.name << ": " << message;
    EXPECT_EQ(message.find('\n'), std::string::npos) << one.name;
  }
  damage("mid/lower", good);
  EXPECT_EQ(corrupt_message(mid_), "");
}

TEST_F(Overlay2, AMissingLowerIsNotTakenForABaseLayer) {
  fs::remove(at("mid/lower"));
  EXPECT_NE(corrupt_message(mid_).find("mid/lower"), std::string::npos);
  EXPECT_NE(corrupt_message(mid_).find("nearest first"), std::string::npos);
}

struct RecordDamage {
  const char *name, *kind, *object;
  void (*harm)(const fs::path& home);
};
class Overlay2Records : public Overlay2, public testing::WithParamInterface<RecordDamage> {};

TEST_P(Overlay2Records, DamageIsNamedAndNotNeededWhereTheParentsAreKnown) {
  const auto before = test::listing_of(driver_->tree(top_));
  GetParam().harm(root_ / "overlay2");
  const auto damage = driver_->examine({{base_, std::nullopt}, {mid_, base_}, {top_, mid_}});
  ASSERT_EQ(damage.size(), 1u);
  EXPECT_EQ(damage[0].kind, GetParam().kind);
  EXPECT_EQ(damage[0].object, GetParam().object);
  EXPECT_EQ(test::listing_of(driver_->tree_over(top_, {mid_, base_})), before);
}

void put(const fs::path& file, const std::string& text) {
  fs::remove(file);
  test::write_file(file, text);
}

INSTANTIATE_TEST_SUITE_P(
    , Overlay2Records,
    testing::Values(
        RecordDamage{"link_missing", "overlay2-link-missing", "mid", [](auto& home) { fs::remove(home / "mid/link"); }},
        RecordDamage{"link_empty", "overlay2-link-empty", "mid", [](auto& home) { put(home / "mid/link", ""); }},
        RecordDamage{"link_no_name", "overlay2-link-invalid", "mid", [](auto& home) { put(home / "mid/link", "a:b"); }},
        RecordDamage{"link_duplicate", "overlay2-link-duplicate", "mid",
                     [](auto& home) { put(home / "mid/link", test::read_file(home / "base/link")); }},
        RecordDamage{"link_dangling", "overlay2-link-dangling", "mid",
                     [](auto& home) { fs::remove(home / "l" / test::read_file(home / "mid/link")); }},
        RecordDamage{"lower_missing", "overlay2-lower-missing", "top",
                     [](auto& home) { fs::remove(home / "top/lower"); }},
        RecordDamage{"lower_empty", "overlay2-lower-empty", "top", [](auto& home) { put(home / "top/lower", ""); }},
        RecordDamage{"lower_cut", "overlay2-lower-invalid", "top",
                     [](auto& home) { put(home / "top/lower", test::read_file(home / "top/lower").substr(0, 20)); }},
        RecordDamage{"lower_short", "overlay2-lower-mismatch", "top",
                     [](auto& home) { put(home / "top/lower", "l/" + test::read_file(home / "mid/link")); }}),
    [](const auto& test) { return std::string(test.param.name); });

TEST_F(Overlay2, AMissingDiffIsCorrupt) {
  fs::remove_all(at("base/diff"));
  EXPECT_NE(corrupt_message(top_).find("base/diff"), std::string::npos);
}

TEST_F(Overlay2, AChildOfALayerWithoutALinkIsRefusedAndLeavesNothing) {
  for (const char* content : {"", "\n", "a/b", "..", "a:b"}) {
    damage("mid/link", content);
    try {
      driver_->create(LayerId("child"), mid_);
      FAIL() << content;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::corrupt);
      EXPECT_NE(std::string(e.what()).find("mid/link"), std::string::npos) << e.what();
    }
    EXPECT_FALSE(driver_->exists(LayerId("child")));
    EXPECT_EQ(std::distance(fs::directory_iterator(at("l")), fs::directory_iterator()), 3);
  }
}

TEST_F(Overlay2, LinksThatLeadOutAreNeverFollowed) {
  TempDir outside;
  fs::create_directory(outside / "diff");
  test::write_file(outside / "diff/secret", "secret");
  const std::string name = link("base");
  const std::vector<std::string> targets = {outside / "diff", "../../../etc", "/diff", "../l/diff", "x/../base/diff"};
  for (const auto& target : targets) {
    fs::remove(at("l/" + name));
    fs::create_symlink(target, at("l/" + name));
    EXPECT_FALSE(driver_->tree(mid_).find("secret")) << target;  // found by base's own `link`
  }
  fs::remove_all(at("base/diff"));
  fs::create_directory_symlink(outside / "diff", at("base/diff"));
  EXPECT_NE(corrupt_message(mid_).find("base/diff"), std::string::npos);
  EXPECT_THROW(driver_->mount(mid_, Access::read_only, beside_.path()), Error);
}

TEST_F(Overlay2, LimitsItsDepthLikeTheEngine) {
  LayerId below = base_;
  for (int i = 1; i <= 128; ++i) {
    const LayerId id("deep" + std::to_string(i));
    driver_->create(id, below);
    below = id;
  }
  try {
    driver_->create(LayerId("too-deep"), below);
    FAIL();
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::unsupported);
  }
  EXPECT_FALSE(driver_->exists(LayerId("too-deep")));
}

TEST_F(Overlay2, OptionsAreCheckedByName) {
  const auto code = [&](const std::string& key, const std::string& value = "1") {
    try {
      open_overlay2(root_.path(), {{{key, value}}});
    } catch (const Error& e) {
      return std::optional(e.code());
    }
    return std::optional<Errc>();
  };
  EXPECT_EQ(code("overlay2.override_kernel_check"), std::nullopt);
  EXPECT_EQ(code("overlay2.size", "50M"), std::nullopt);
  EXPECT_EQ(code("overlay2.size", "much"), Errc::invalid);
  EXPECT_EQ(code("dm.basesize"), Errc::invalid);
}

TEST_F(Overlay2, ProbingLeavesNothing) {
  const auto before = driver_->list();
  const auto names = list_dir(driver_->home_fd());
  const DriverStatus status = driver_->probe();
  EXPECT_TRUE(status.readable);
  EXPECT_EQ(status.why_not.empty(), status.writable && status.mountable);
  EXPECT_EQ(status.why_not.empty(), status.remedy.empty());
  EXPECT_EQ(list_dir(driver_->home_fd()), names);
  EXPECT_EQ(driver_->list(), before);
}

}  // namespace cairn
