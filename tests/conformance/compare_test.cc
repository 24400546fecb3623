// The same layers, ordinary, odd and hostile, give the same trees whatever driver keeps them, and touch nothing else.
#include <sys/stat.h>
#include <unistd.h>

#include "core/util/error.h"
#include "tests/conformance/driver_conformance.h"
#include "tests/support/tar_builder.h"

namespace cairn::test {

namespace fs = std::filesystem;

namespace {

struct LayersCase {
  const char* name;
  std::vector<std::string> tars;
  bool must_fail = false;  // the last layer is refused
};
std::ostream& operator<<(std::ostream& out, const LayersCase& layers) { return out << layers.name; }

TarBuilder tar() { return {}; }
RawEntry typed(const std::string& name, char type, const std::string& link = "") {
  return {.name = name, .type = type, .link = link};
}
RawEntry with_pax(const std::string& name, char type, const std::map<std::string, std::string>& pax) {
  return {.name = name, .type = type, .mode = type == '5' ? 0755u : 0644u, .pax = pax};
}

std::string every_kind() {
  return tar()
      .dir("d", 01777)
      .file("f", "content", 06755)
      .symlink("l", "nowhere")
      .link("h", "f")
      .add(typed("p", '6'))
      .add({.name = "c", .type = '3', .mode = 0600, .major = 1, .minor = 3})
      .add({.name = "b", .type = '4', .mode = 0640, .major = 8, .minor = 1})
      .add({.name = "big-id", .uid = 2200000, .gid = 2100000})
      .add({.name = "old", .mtime = 0})
      .add({.name = "late", .mtime = 5000000000})
      .add(with_pax("fraction", '0', {{"mtime", "1234567890.123456789"}}))
      .add(with_pax("before-1970", '0', {{"mtime", "-100.5"}}))
      .add(
          with_pax("cap", '0',
                   {{"SCHILY.xattr.security.capability", std::string("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20)}}))
      .add(with_pax("noted", '5', {{"SCHILY.xattr.trusted.note", "n"}}))
      .str();
}

std::vector<LayersCase> ordinary() {
  return {
      {"nothing", {tar().str()}},
      {"every_kind", {every_kind(), tar().file("x").str(), tar().file(".wh.d").file(".wh.h").str()}},
      {"names",
       {tar()
            .file(std::string(255, 'n'))
            .file("sp ace")
            .file("new\nline")
            .file("\xff\xfe")
            .file("..two")
            .file("...")
            .file("a:b,c\\d")
            .str(),
        tar().file(".wh." + std::string(251, 'n')).file(".wh.new\nline").file(".wh.\xff\xfe").str()}},
      {"hard_links_across_layers",
       {tar().file("a", "1").link("b", "a").link("c", "a").str(), tar().file("b", "2").str(),
        tar().file(".wh.a").str()}},
      {"hard_links_in_directories",
       {tar().dir("x").dir("y").file("x/a", "1").link("y/b", "x/a").str(), tar().file("x/new").str(),
        tar().file(".wh.x").str()}},
      {"type_changes",
       {tar().dir("t").file("t/f", "1").str(), tar().file("t", "now a file").str(),
        tar().symlink("t", "/elsewhere").str(), tar().dir("t").file("t/g", "2").str(),
        tar().add(typed("t", '6')).str()}},
      {"directory_replaced_in_one_layer",
       {tar().dir("t").file("t/f", "1").str(), tar().file("t").dir("t").file("t/g").str()}},
      {"deleted_and_made_again",
       {tar().dir("d").file("d/f", "1").str(), tar().file(".wh.d").str(), tar().dir("d").file("d/g", "2").str()}},
      {"deleted_and_made_again_in_one_layer",
       {tar().dir("d").file("d/f", "1").str(), tar().file(".wh.d").dir("d").file("d/g", "2").str()}},
      {"opaque",
       {tar().dir("d").file("d/f").dir("d/sub").file("d/sub/g").str(),
        tar().dir("d").file("d/.wh..wh..opq").file("d/h").str(), tar().dir("d/sub").file("d/sub/i").str()}},
      {"opaque_after_entries",
       {tar().dir("d").file("d/f").str(), tar().dir("d").file("d/h").file("d/.wh..wh..opq").str()}},
      {"opaque_root",
       {tar().dir("d").file("d/f").file("g").str(), tar().file(".wh..wh..opq").dir("d").file("d/h").str(),
        tar().file("d/.wh.h").str()}},
      {"whiteout_of_nothing", {tar().file("a").str(), tar().file(".wh.absent").file("no/such/.wh.thing").str()}},
      {"whiteout_in_a_base_layer",
       {tar().file(".wh.a").dir("d").file("d/.wh..wh..opq").file("d/b").str(), tar().file("a").str()}},
      {"implied_directories",
       {tar().add({.name = "a/", .type = '5', .mode = 0710, .uid = 5}).dir("a/b", 02755).str(),
        tar().file("a/b/c/d/e").str()}},
      {"implied_under_whiteout",
       {tar().dir("a", 0700).dir("a/b", 0711).str(), tar().file(".wh.a").file("a/b/c").str()}},
      {"implied_over_a_link",
       {tar().dir("run").dir("run/lock", 01777).symlink("var", "run").str(), tar().file("var/lock/x").str()}},
      {"root_entry",
       {tar().add({.name = "./", .type = '5', .mode = 0700, .uid = 3, .gid = 4}).str(), tar().file("./a").str(),
        tar().add({.name = "./", .type = '5', .mode = 0755, .mtime = 1}).file("b").str()}},
      {"set_group_id_directories",
       {tar()
            .add({.name = "g/", .type = '5', .mode = 02775, .gid = 50})
            .file("g/a")
            .file("g/kept", "k")
            .symlink("g/l", "k")
            .dir("g/d")
            .file("g/d/f")
            .dir("g/sub", 02700)
            .file("g/sub/kept")
            .str(),
        tar().file("g/b").dir("g/sub").file("g/sub/c").file("g/.wh.a").str()}},
      {"default_acl",
       {tar()
            .add(with_pax(
                "d/", '5',
                {{"SCHILY.xattr.system.posix_acl_default",
                  std::string("\2\0\0\0\1\0\7\0\xff\xff\xff\xff\4\0\5\0\xff\xff\xff\xff\x20\0\0\0\xff\xff\xff\xff",
                              28)}}))
            .file("d/a")
            .str(),
        tar().file("d/b").str(), tar().file("d/.wh.a").str()}},
      {"same_name_twice", {tar().file("a", "1").file("a", "2").dir("d").file("d/f").dir("d", 0700).str()}},
      {"global_header", {tar().global({{"comment", "c"}}).file("a").str()}},
      {"pseudo_links",
       {tar()
            .dir(".wh..wh.plnk")
            .file(".wh..wh.plnk/1.2", "saved")
            .link("a", ".wh..wh.plnk/1.2")
            .link("b", ".wh..wh.plnk/1.2")
            .str()}},
  };
}

std::vector<LayersCase> hostile() {
  return {
      {"dotdot", {tar().file("../victim/dotdot").str()}, true},
      {"slash_dotdot", {tar().file("/../victim/slash-dotdot").str()}},
      {"absolute", {tar().file("/etc/passwd", "mine").str()}},
      {"hard_link_up", {tar().link("h", "../victim/hello").str()}, true},
      {"symlink_up_then_through", {tar().symlink("up", "../victim").file("up/new").str()}},
      {"symlink_absolute_then_through", {tar().symlink("up", "/").file("up/tmp/cairn-escape").str()}},
      {"symlink_in_a_parent_then_through",
       {tar().symlink("up", "../../victim").str(), tar().file("up/new").file("up/hello").str()}},
      {"symlink_chain",
       {tar()
            .dir("inner")
            .symlink("inner/go_up", "..")
            .symlink("inner/go_up/escape", "../victim")
            .file("inner/go_up/escape/new")
            .str()}},
      {"hard_link_to_symlink", {tar().symlink("s", "../victim/hello").link("h", "s").file("h", "overwritten").str()}},
      {"whiteout_through_symlink",
       {tar().dir("d").file("d/f").str(), tar().symlink("w", "../victim").file("w/.wh.hello").str()}},
      {"whiteout_of_no_name", {tar().file(".wh.").str()}, true},
      {"whiteout_of_dot", {tar().file("d/.wh..").str()}, true},
      {"whiteout_of_dotdot", {tar().file("d/.wh...").str()}, true},
      {"whiteout_device", {tar().file("a").str(), tar().add({.name = "a", .type = '3', .mode = 0}).str()}},
      {"whiteout_device_in_a_base_layer", {tar().add({.name = "a", .type = '3', .mode = 0644}).file("b").str()}},
      {"forged_opaque",
       {tar().dir("d").file("d/f").str(),
        tar().add(with_pax("d/", '5', {{"SCHILY.xattr.trusted.overlay.opaque", "y"}})).str()}},
      {"forged_redirect",
       {tar().dir("secret").file("secret/f", "s").str(),
        tar().add(with_pax("d/", '5', {{"SCHILY.xattr.trusted.overlay.redirect", "/secret"}})).str()}},
      {"forged_metacopy",
       {tar().file("f", "lower").str(),
        tar().add(with_pax("f", '0', {{"SCHILY.xattr.trusted.overlay.metacopy", ""}})).str()}},
      {"forged_user_marks",
       {tar().dir("d").file("d/f").str(),
        tar().add(with_pax("d/", '5', {{"SCHILY.xattr.user.overlay.opaque", "y"}})).str()}},
      {"unknown_type", {tar().add(typed("x", 'Q')).str()}, true},
      {"cut_short", {tar().file("a", std::string(2000, 'x')).unfinished().substr(0, 1000)}, true},
      {"not_a_tar", {std::string(2000, 'x')}, true},
      {"bad_checksum", {tar().add({.name = "a", .bad_checksum = true}).str()}, true},
      {"name_too_long", {tar().file(std::string(256, 'n')).str()}, true},
      {"a_directory_where_a_parent_has_a_device",
       {tar().add({.name = "dev", .type = '3', .major = 1, .minor = 3}).str(), tar().file("dev/null").str()}},
      {"link_to_itself", {tar().link("a", "a").str()}, true},
      {"root_is_a_link", {tar().symlink("./", "/").str()}, true},
  };
}

struct Outcome {
  std::vector<TreeListing> trees;
  std::vector<LayerId> made;
  std::optional<Errc> failed;
  std::string message;
};

// A failing layer leaves nothing, and the others as they were.
Outcome play(Driver& driver, const std::vector<std::string>& tars) {
  Outcome out;
  auto& made = out.made;
  for (const auto& one : tars) {
    const LayerId id = fresh_id();
    const auto parent = made.empty() ? std::nullopt : std::optional(made.back());
    try {
      apply_layer(driver, id, parent, one);
      made.push_back(id);
    } catch (const Error& e) {
      out.failed = e.code();
      out.message = e.what();
    }
    EXPECT_EQ(driver.exists(id), !out.failed.has_value());
    if (driver.probe().keeps_layers) {
      EXPECT_EQ(driver.list().size(), made.size());
    }
    if (out.failed) break;
  }
  for (const auto& id : made) out.trees.push_back(listing_of(driver.tree(id)));
  return out;
}

void remove_all(Driver& driver, const std::vector<LayerId>& made) {
  for (auto id = made.rbegin(); id != made.rend(); ++id) driver.remove(*id);
}

// One root for each driver, empty again after each case: making a pool for each takes much longer than the layers do.
class DriversCompared : public testing::TestWithParam<LayersCase> {
 protected:
  static void TearDownTestSuite() { roots().clear(); }
  static DriverRoot& root_of(const DriverUnderTest& driver) {
    auto& root = roots()[driver.name];
    if (!root) root = std::make_unique<DriverRoot>(driver);
    return *root;
  }

 private:
  static std::map<std::string, std::unique_ptr<DriverRoot>>& roots() {
    static std::map<std::string, std::unique_ptr<DriverRoot>> all;
    return all;
  }
};

}  // namespace

TEST_P(DriversCompared, SameTreesAndNothingOutside) {
  std::optional<Outcome> wanted;
  std::string reference;
  for (const auto& under_test : drivers_under_test()) {
    DriverRoot& root = root_of(under_test);
    if (!root.why_not().empty()) continue;
    const fs::path victim = root.path() / "victim/hello";
    write_file(victim, "hello");
    const Outcome outcome = play(root.driver(), GetParam().tars);
    EXPECT_EQ(outcome.failed.has_value(), GetParam().must_fail) << under_test.name << ": " << outcome.message;
    if (!wanted) reference = under_test.name;
    if (!wanted) wanted = outcome;
    EXPECT_EQ(outcome.trees, wanted->trees) << under_test.name << " against " << reference;
    EXPECT_EQ(outcome.failed, wanted->failed) << under_test.name << " against " << reference;
    EXPECT_EQ(read_file(victim), "hello");
    EXPECT_EQ(std::distance(fs::directory_iterator(victim.parent_path()), fs::directory_iterator()), 1);
    EXPECT_EQ(std::distance(fs::directory_iterator(root.path()), fs::directory_iterator()),
              2);  // the driver's and the victim
    EXPECT_FALSE(fs::exists("/tmp/cairn-escape"));
    remove_all(root.driver(), outcome.made);
  }
  if (!wanted) GTEST_SKIP() << "no driver works here";
}

// What the kernel makes of the layers, where it can be asked.
TEST_P(DriversCompared, TheKernelAgrees) {
  for (const auto& under_test : drivers_under_test()) {
    DriverRoot& root = root_of(under_test);
    if (!root.why_not().empty() || !root.mountable()) continue;
    Driver& driver = root.driver();
    std::vector<LayerId> made = play(driver, GetParam().tars).made;
    if (made.empty()) continue;
    // A base layer is shown as it is, marks included; a container over it is what is used.
    const LayerId top = made.back(), container = fresh_id();
    driver.create(container, top);
    made.push_back(container);
    {
      const TempDir beside;
      const MountedLayer mounted(driver, container, Access::read_only, fs::canonical(beside.path()));
      EXPECT_EQ(listing_of_directory(mounted.path()), listing_of(driver.tree(container))) << under_test.name;
      EXPECT_EQ(listing_of(driver.tree(container)), listing_of(driver.tree(top))) << under_test.name;
    }
    remove_all(driver, made);
  }
}

static std::string case_name(const testing::TestParamInfo<LayersCase>& test) { return test.param.name; }
INSTANTIATE_TEST_SUITE_P(Ordinary, DriversCompared, testing::ValuesIn(ordinary()), case_name);
INSTANTIATE_TEST_SUITE_P(Hostile, DriversCompared, testing::ValuesIn(hostile()), case_name);

}  // namespace cairn::test
