// Histories of a file system, step by step, each step a layer: the cases of the snapshot suites of Docker's successors
// (and the old bugs of union file systems they replay), storage's S1 and S2, Docker's G5 and G6. What a plain directory
// shows after the same steps is what the layers must show: read without a mount, mounted, and as changes.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>

#include "core/archive/changes.h"
#include "tests/conformance/driver_conformance.h"
#include "tests/support/fake_diff_target.h"
#include "tests/support/leftover_mounts.h"

namespace cairn::test {

namespace fs = std::filesystem;

namespace {

using Step = std::function<void(const fs::path& root)>;
struct History {
  std::string name;
  std::vector<Step> steps;
};
std::ostream& operator<<(std::ostream& out, const History& history) { return out << history.name; }

// What steps do gives the same times wherever they do it; a later step's content is never of the same time.
void set_time(const fs::path& path, int64_t seconds) {
  const timespec times[2] = {{seconds, 0}, {seconds, 0}};
  EXPECT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW), 0) << path;
}

int64_t time_of(const std::string& content) {
  return 1'000'000'000 + static_cast<int64_t>(std::hash<std::string>{}(content) % 500'000'000);
}

void put(const fs::path& path, const std::string& content, mode_t mode = 0644) {
  std::ofstream(path, std::ios::trunc | std::ios::binary) << content;
  EXPECT_EQ(::chmod(path.c_str(), mode), 0) << path;
  set_time(path, time_of(content));
}

void append(const fs::path& path, const std::string& more) {
  std::ofstream(path, std::ios::app | std::ios::binary) << more;
  set_time(path, time_of(more));
}

void symlink_to(const fs::path& path, const std::string& target) {
  fs::create_symlink(target, path);
  set_time(path, time_of(target));
}

void own(const fs::path& path, uid_t uid, gid_t gid) { EXPECT_EQ(::lchown(path.c_str(), uid, gid), 0) << path; }
void allow(const fs::path& path, mode_t mode) { EXPECT_EQ(::chmod(path.c_str(), mode), 0) << path; }

void node(const fs::path& path, mode_t mode, dev_t device = 0) {
  EXPECT_EQ(::mknod(path.c_str(), mode, device), 0) << path;
  set_time(path, 1'234'567'890);
}

void run(const std::string& command) { EXPECT_EQ(std::system(command.c_str()), 0) << command; }

// As mv(1) does: overlayfs refuses to rename a directory of a lower layer.
void move(const fs::path& from, const fs::path& to) { run("mv '" + from.string() + "' '" + to.string() + "'"); }

History basic() {
  return {"basic",
          {[](const fs::path& root) {
             put(root / "foo", "foo\n", 0777);
             fs::create_directories(root / "a/b/c");
             allow(root / "a", 0755);
             put(root / "a/b/hosts", "127.0.0.1");
           },
           [](const fs::path& root) {
             put(root / "bar", "bar\n");
             fs::create_directory(root / "c");
             put(root / "c/x", "x", 04755);
             fs::remove_all(root / "a/b/c");
           },
           [](const fs::path& root) {
             put(root / "bar", "bar again\n", 0600);
             fs::remove(root / "foo");
           },
           [](const fs::path&) {}}};
}

History update() {
  return {"update",
          {[](const fs::path& root) {
             fs::create_directories(root / "etc");
             fs::create_directories(root / "root/empty");
             put(root / "etc/hosts", "mydomain 10.0.0.1");
             put(root / "etc/profile", "PATH=/usr/bin");
             put(root / "data", std::string(300'000, 'd'));
           },
           [](const fs::path& root) {
             put(root / "etc/hosts", "mydomain 10.0.0.120");
             append(root / "data", "and its end");
             put(root / "root/.bashrc", "PATH=/usr/sbin:/usr/bin");
           },
           [](const fs::path& root) {
             put(root / "etc/hosts", "mydomain 10.0.0.130");
             fs::resize_file(root / "data", 1000);
             set_time(root / "data", 1'600'000'000);
             fs::remove(root / "root/empty");
             fs::create_directory(root / "root/.config");
           },
           [](const fs::path& root) { set_time(root / "etc/profile", 1'700'000'000); }}};
}

// A lower directory, removed and made again, is another one: nothing of the old may shine through.
History directory_made_again() {
  return {"directory_made_again",
          {[](const fs::path& root) {
             fs::create_directory(root / "lib");
             put(root / "lib/hidden", "hidden");
           },
           [](const fs::path& root) {
             fs::remove_all(root / "lib");
             fs::create_directory(root / "lib");
             put(root / "lib/not-hidden", "not hidden");
           },
           [](const fs::path& root) { put(root / "lib/newfile", "new"); },
           [](const fs::path& root) {
             fs::remove_all(root / "lib");
             fs::create_directory(root / "lib");
           }}};
}

History file_made_again() {
  return {"file_made_again",
          {[](const fs::path& root) {
             fs::create_directory(root / "etc");
             put(root / "etc/conf", "one");
             put(root / "etc/other", "other");
           },
           [](const fs::path& root) { fs::remove(root / "etc/conf"); },
           [](const fs::path& root) { put(root / "etc/conf", "two"); },
           [](const fs::path& root) { fs::remove_all(root / "etc"); },
           [](const fs::path& root) { put(root / "etc", "a file now"); }}};
}

History owners() {
  return {"owners",
          {[](const fs::path& root) {
             fs::create_directories(root / "opt/a");
             put(root / "opt/a/b.txt", "hello");
             symlink_to(root / "opt/l", "a/b.txt");
             node(root / "opt/null", S_IFCHR | 0600, makedev(1, 3));
           },
           [](const fs::path& root) {
             for (const char* path : {"opt", "opt/a", "opt/a/b.txt", "opt/l", "opt/null"}) own(root / path, 1, 2);
           },
           [](const fs::path& root) {
             put(root / "opt/a/b.txt", "hello again");
             own(root / "opt/a", 2'200'000, 2'100'000);
             allow(root / "opt/null", 0666);
           }}};
}

History permissions() {
  return {"permissions",
          {[](const fs::path& root) {
             for (const char* dir : {"private", "shared", "group", "plain"}) fs::create_directory(root / dir);
             allow(root / "private", 0700);
             allow(root / "shared", 01777);
             allow(root / "group", 02750);
             put(root / "private/suid", "x", 06755);
           },
           [](const fs::path& root) {
             put(root / "private/f", "f");
             put(root / "shared/f", "f");
             put(root / "plain/f", "f");
           },
           [](const fs::path& root) {
             allow(root / "private", 0711);
             allow(root / "plain", 0);
             allow(root / "private/suid", 0755);
           }}};
}

History root_permissions() {
  return {"root_permissions",
          {[](const fs::path& root) { allow(root, 0555); },
           [](const fs::path& root) {
             put(root / "f", "f");
             own(root, 5, 6);
           },
           [](const fs::path& root) { allow(root, 0701); }, [](const fs::path& root) { put(root / "g", "g"); }}};
}

History moves() {
  return {"moves",
          {[](const fs::path& root) {
             fs::create_directories(root / "dir1/sub");
             fs::create_directory(root / "somefiles");
             put(root / "dir1/f1", "#####");
             put(root / "dir1/sub/f2", "!!!!!");
             put(root / "somefiles/f1", "was here first!");
           },
           [](const fs::path& root) {
             move(root / "somefiles/f1", root / "somefiles/f2");
             move(root / "dir1/f1", root / "f1");
           },
           [](const fs::path& root) {
             move(root / "dir1", root / "dir2");
             put(root / "dir2/f2", "fff");
           },
           [](const fs::path& root) {
             fs::create_directory(root / "dir1");
             move(root / "dir2/sub", root / "dir1/sub");
           }}};
}

// A directory becomes a link, and the link goes: whatever lay below either is not to come back.
History types() {
  return {"types",
          {[](const fs::path& root) {
             fs::create_directories(root / "d/deep");
             put(root / "d/deep/f", "f");
             put(root / "elsewhere", "e");
             put(root / "t", "t");
           },
           [](const fs::path& root) {
             fs::remove_all(root / "d");
             symlink_to(root / "d", "elsewhere");
             fs::remove(root / "t");
             fs::create_directory(root / "t");
             put(root / "t/in", "in");
           },
           [](const fs::path& root) {
             fs::remove(root / "d");
             fs::remove_all(root / "t");
             node(root / "t", S_IFIFO | 0600);
           },
           [](const fs::path& root) {
             fs::create_directory(root / "d");
             fs::remove(root / "t");
             node(root / "t", S_IFBLK | 0640, makedev(8, 1));
           },
           [](const fs::path& root) { fs::remove(root / "t"); }}};
}

// Nested directories, deleted at every depth and made again (S2).
History echo() {
  const auto dir_at_depth = [](int depth) {
    fs::path out;
    for (int i = 0; i <= depth; ++i) out /= "dir" + std::to_string(i);
    return out;
  };
  History out{"echo", {[=](const fs::path& root) {
                for (int depth = 0; depth < 10; ++depth) {
                  fs::create_directory(root / dir_at_depth(depth));
                  put(root / dir_at_depth(depth) / "file", "old " + std::to_string(depth));
                }
              }}};
  for (int depth = 9; depth >= 0; --depth) {
    out.steps.push_back([=](const fs::path& root) { fs::remove_all(root / dir_at_depth(depth)); });
    out.steps.push_back([=](const fs::path& root) {
      fs::create_directories(root / dir_at_depth(depth) / "again");
      put(root / dir_at_depth(depth) / "again/file", "new " + std::to_string(depth));
    });
  }
  return out;
}

History many_files() {
  const auto name = [](int dir, const std::string& file) {
    return "directory-" + std::to_string(dir) + "/file-" + file;
  };
  return {"many_files",
          {[=](const fs::path& root) {
             for (int dir = 0; dir < 3; ++dir) {
               fs::create_directory(root / ("directory-" + std::to_string(dir)));
               for (int i = 0; i < 100; ++i) put(root / name(dir, std::to_string(i)), "old", 0755);
             }
           },
           [=](const fs::path& root) {
             for (int dir = 0; dir < 2; ++dir)
               for (int i = 0; i < 100; ++i) {
                 const fs::path old = root / name(dir, std::to_string(i));
                 if (i % 3 == 0) put(old, "rewritten " + std::to_string(i), 0755);
                 if (i % 3 == 1) put(root / name(dir, "new-" + std::to_string(i)), "new", 0755);
                 if (i % 3 == 2) fs::remove(old);
               }
             fs::remove_all(root / "directory-2");
           }}};
}

History hard_links() {
  return {"hard_links",
          {[](const fs::path& root) {
             fs::create_directories(root / "a/b");
             put(root / "a/one", "content");
             fs::create_hard_link(root / "a/one", root / "a/b/two");
             fs::create_hard_link(root / "a/one", root / "three");
             put(root / "alone", "alone");
           },
           [](const fs::path& root) { fs::remove(root / "a/one"); },
           [](const fs::path& root) {
             fs::remove(root / "three");
             put(root / "three", "another");
             fs::create_hard_link(root / "three", root / "four");
           }}};
}

History odd_files() {
  return {"odd_files",
          {[](const fs::path& root) {
             for (const char* name : {"new\nline", "\xff\xfe", "...", "sp ace", "a:b,c\\d"}) put(root / name, name);
             std::ofstream(root / "sparse") << "begin";
             fs::resize_file(root / "sparse", 8 << 20);
             set_time(root / "sparse", 0);
             put(root / "noted", "noted");
             set_time(root / "noted", 5'000'000'000);
           },
           [](const fs::path& root) {
             for (const char* name : {"new\nline", "\xff\xfe"}) fs::remove(root / name);
             append(root / "sparse", "end");
             EXPECT_EQ(::setxattr((root / "noted").c_str(), "trusted.note", "n", 1, 0), 0);
           },
           [](const fs::path& root) {
             for (const char* name : {"...", "sp ace", "a:b,c\\d"}) fs::remove(root / name);
             EXPECT_EQ(::removexattr((root / "noted").c_str(), "trusted.note"), 0);
             put(root / std::string(200, 'n'), "long");
           },
           [](const fs::path& root) { fs::remove(root / std::string(200, 'n')); }}};
}

std::vector<History> histories() {
  return {basic(),    update(),      directory_made_again(), file_made_again(),
          owners(),   permissions(), root_permissions(),     moves(),
          types(),    echo(),        many_files(),           hard_links(),
          odd_files()};
}

// The history in plain directories, a copy for every step.
class PlainHistory {
 public:
  explicit PlainHistory(const History& history) {
    fs::path before = place_ / "empty";
    fs::create_directory(before);
    allow(before, 0755);
    for (const auto& step : history.steps) {
      const fs::path now = place_ / std::to_string(states_.size());
      run("cp -a '" + before.string() + "' '" + now.string() + "'");
      step(now);
      states_.push_back(before = now);
    }
  }
  size_t size() const { return states_.size(); }
  Tree tree(size_t step) const { return plain_tree(states_.at(step)); }
  Tree before(size_t step) const { return step == 0 ? plain_tree(place_ / "empty") : tree(step - 1); }
  std::string diff(size_t step) const {
    StringSink out;
    const Tree now = tree(step), old = before(step);
    auto changes = changes_between(now, old, {Compare::exact});
    changes.insert(changes.begin(), {ChangeKind::modified, "/"});
    write_diff(now, changes, out, Carry::all);
    return out.text;
  }

 private:
  TempDir place_;
  std::vector<fs::path> states_;
};

class Histories : public testing::TestWithParam<std::tuple<DriverUnderTest, History>> {
 protected:
  Histories() : root_(std::get<0>(GetParam())), history_(std::get<1>(GetParam())) {}
  void SetUp() override {
    if (!root_.why_not().empty()) GTEST_SKIP() << "does not work here: " << root_.why_not();
  }
  void TearDown() override { unmount_leftovers(beside_.path()); }
  Driver& driver() { return root_.driver(); }
  std::vector<Change> changes(const LayerId& id, const std::optional<LayerId>& parent) {
    return changes_between(driver().tree(id), parent ? driver().tree(*parent) : Tree());
  }
  void expect_same(const std::vector<LayerId>& layers, const PlainHistory& plain) {
    for (size_t i = 0; i < layers.size(); ++i) {
      SCOPED_TRACE("after step " + std::to_string(i + 1));
      const auto parent = i == 0 ? std::nullopt : std::optional(layers[i - 1]);
      EXPECT_EQ(listing_of(driver().tree(layers[i])), listing_of(plain.tree(i)));
      EXPECT_EQ(changes(layers[i], parent), changes_between(plain.tree(i), plain.before(i)));
    }
    if (!root_.mountable()) return;
    const LayerId container = fresh_id();
    driver().create(container, layers.back());
    const MountedLayer mounted(driver(), container, Access::read_only, target());
    EXPECT_EQ(listing_of_directory(target()), listing_of(plain.tree(plain.size() - 1)));
  }
  fs::path target() const { return fs::canonical(beside_.path()); }

  TempDir beside_;
  DriverRoot root_;
  const History& history_;
};

}  // namespace

TEST_P(Histories, WrittenThroughMounts) {
  if (!root_.writable_mounts()) GTEST_SKIP() << "mounts nothing for writing here";
  const PlainHistory plain(history_);
  std::vector<LayerId> layers;
  for (const auto& step : history_.steps) {
    const LayerId id = fresh_id();
    const auto parent = layers.empty() ? std::nullopt : std::optional(layers.back());
    driver().create(id, parent);
    std::vector<Change> while_mounted;
    {
      const MountedLayer mounted(driver(), id, Access::read_write, target());
      step(target());
      while_mounted = changes(id, parent);
    }
    EXPECT_EQ(while_mounted, changes(id, parent)) << "while it was mounted";
    layers.push_back(id);
  }
  expect_same(layers, plain);
}

TEST_P(Histories, AppliedAsDiffs) {
  const PlainHistory plain(history_);
  std::vector<LayerId> layers;
  for (size_t i = 0; i < plain.size(); ++i) {
    const LayerId id = fresh_id();
    apply_layer(driver(), id, layers.empty() ? std::nullopt : std::optional(layers.back()), plain.diff(i));
    layers.push_back(id);
  }
  expect_same(layers, plain);
}

// A copy of a layer, made by what its parent and it differ in, differs neither from it nor otherwise from the parent
// (S1).
TEST_P(Histories, CopiedLayerByLayer) {
  const PlainHistory plain(history_);
  std::vector<LayerId> originals, copies;
  for (size_t i = 0; i < plain.size(); ++i) {
    const auto parent = originals.empty() ? std::nullopt : std::optional(originals.back());
    originals.push_back(fresh_id());
    copies.push_back(fresh_id());
    apply_layer(driver(), originals.back(), parent, plain.diff(i));
    StringSink out;
    const Tree tree = driver().tree(originals.back());
    auto all = changes_between(tree, parent ? driver().tree(*parent) : Tree(), {Compare::exact});
    all.insert(all.begin(), {ChangeKind::modified, "/"});
    write_diff(tree, all, out, Carry::all);
    apply_layer(driver(), copies.back(), parent, out.text);
    EXPECT_EQ(changes_between(driver().tree(copies.back()), tree, {Compare::exact}), std::vector<Change>());
    EXPECT_EQ(changes(copies.back(), parent), changes(originals.back(), parent));
  }
}

INSTANTIATE_TEST_SUITE_P(, Histories,
                         testing::Combine(testing::ValuesIn(drivers_under_test()), testing::ValuesIn(histories())),
                         [](const auto& test) {
                           return std::get<0>(test.param).name + "_" + std::get<1>(test.param).name;
                         });

}  // namespace cairn::test
