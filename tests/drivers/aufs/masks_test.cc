// Read-only mounts without aufs in the kernel: overlayfs and masks show what the user-space union says.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <random>

#include "core/archive/changes.h"
#include "core/archive/tar_reader.h"
#include "core/util/error.h"
#include "drivers/aufs/ancestors.h"
#include "drivers/aufs/aufs.h"
#include "tests/support/leftover_mounts.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tree_listing.h"

namespace cairn {

namespace fs = std::filesystem;
using test::TempDir;

namespace {

// Layers written as aufs' kernel module leaves them, not through the driver. The lowest is 0.
class AufsLayers {
 public:
  AufsLayers() : driver_(open_aufs(root_.path())) {}
  Driver& driver() { return *driver_; }
  fs::path home() const { return root_ / "aufs"; }
  static LayerId id(size_t layer) { return LayerId("l" + std::to_string(layer)); }
  fs::path add() {
    for (const char* part : {"layers", "diff", "mnt"}) fs::create_directories(home() / part);
    const size_t layer = count_++;
    std::vector<LayerId> below;
    for (size_t i = layer; i > 0; --i) below.push_back(id(i - 1));
    test::write_file(home() / "layers" / id(layer).str(), aufs::ancestors_text(below));
    fs::create_directory(home() / "diff" / id(layer).str());
    return home() / "diff" / id(layer).str();
  }
  LayerId top() const { return id(count_ - 1); }

 private:
  TempDir root_;
  std::unique_ptr<Driver> driver_;
  size_t count_ = 0;
};

// With the directories' own times, which a listing leaves out.
test::TreeListing with_times(const Tree& tree, test::TreeListing listing) {
  for (auto& [path, line] : listing) {
    const auto st = tree.find(path)->st();
    line += " " + std::to_string(st.st_mtim.tv_sec) + "." + std::to_string(st.st_mtim.tv_nsec);
  }
  return listing;
}

class AufsMasks : public testing::Test {
 protected:
  void SetUp() override {
    const DriverStatus status = layers_->driver().probe();
    if (!status.mountable) GTEST_SKIP() << "aufs does not mount here: " << status.why_not;
    if (status.writable_mounts) GTEST_SKIP() << "this kernel has aufs, and needs no masks";
  }
  void TearDown() override { test::unmount_leftovers(beside_.path()); }
  void expect_same(const LayerId& id, const std::string& what) {
    Driver& driver = layers_->driver();
    driver.mount(id, Access::read_only, beside_.path());
    const Tree shown({Branch{std::make_shared<Fd>(open_dir(beside_.path())), WhiteoutStyle::none}});
    const Tree tree = driver.tree(id);
    EXPECT_EQ(with_times(shown, test::listing_of(shown)), with_times(tree, test::listing_of(tree))) << what;
    test::unmount_leftovers(beside_.path());
  }
  std::vector<std::string> names() {
    std::vector<std::string> out;
    for (const auto& [path, line] : test::listing_of(layers_->driver().tree(layers_->top())))
      if (path != ".") out.push_back(path);
    expect_same(layers_->top(), "");
    return out;
  }
  static void put(const fs::path& path) { test::write_file(path, path.filename().string()); }

  std::unique_ptr<AufsLayers> layers_ = std::make_unique<AufsLayers>();
  TempDir beside_;
};

using Names = std::vector<std::string>;

}  // namespace

TEST_F(AufsMasks, AFileIsHidden) {
  const auto base = layers_->add();
  for (const char* name : {"a", "d/a", "d/b"}) put(base / name);
  const auto upper = layers_->add();
  for (const char* name : {".wh.a", "d/.wh.b", ".wh.absent"}) put(upper / name);
  EXPECT_EQ(names(), (Names{"d", "d/a"}));
}

TEST_F(AufsMasks, ADirectoryIsHiddenAndMadeAgain) {
  put(layers_->add() / "d/sub/old");
  put(layers_->add() / ".wh.d");
  EXPECT_EQ(names(), Names{});
  put(layers_->add() / "d/new");
  EXPECT_EQ(names(), (Names{"d", "d/new"}));
  put(layers_->add() / "d/sub/newer");
  EXPECT_EQ(names(), (Names{"d", "d/new", "d/sub", "d/sub/newer"}));
}

TEST_F(AufsMasks, AnOpaqueDirectoryHidesOnlyWhatIsBelowIt) {
  const auto base = layers_->add();
  for (const char* name : {"d/a", "d/sub/b", "e/c"}) put(base / name);
  const auto upper = layers_->add();
  for (const char* name : {"d/.wh..wh..opq", "d/n", "d/sub/m", "e/f"}) put(upper / name);
  EXPECT_EQ(names(), (Names{"d", "d/n", "d/sub", "d/sub/m", "e", "e/c", "e/f"}));
  put(layers_->add() / "d/.wh.n");  // above the opaque one
  EXPECT_EQ(names(), (Names{"d", "d/sub", "d/sub/m", "e", "e/c", "e/f"}));
}

TEST_F(AufsMasks, AWhiteoutBelowAnOpaqueDirectoryIsWithoutEffect) {
  put(layers_->add() / "d/a");
  put(layers_->add() / "d/.wh.a");
  const auto upper = layers_->add();
  for (const char* name : {"d/.wh..wh..opq", "d/b"}) put(upper / name);
  EXPECT_EQ(names(), (Names{"d", "d/b"}));
}

TEST_F(AufsMasks, TypesAreReplacedBothWays) {
  const auto base = layers_->add();
  for (const char* name : {"was-dir/a", "was-file"}) put(base / name);
  const auto upper = layers_->add();
  for (const char* name : {"was-dir", "was-file/b"}) put(upper / name);
  EXPECT_EQ(names(), (Names{"was-dir", "was-file", "was-file/b"}));
}

TEST_F(AufsMasks, AnOpaqueRootStandsAlone) {
  put(layers_->add() / "a");
  const auto upper = layers_->add();
  for (const char* name : {".wh..wh..opq", "b"}) put(upper / name);
  EXPECT_EQ(names(), Names{"b"});
}

// aufs looks for the whiteout first.
TEST_F(AufsMasks, ANameBesideItsOwnWhiteoutIsGone) {
  const auto base = layers_->add();
  for (const char* name : {"a", "d/old", "e/old"}) put(base / name);
  const auto middle = layers_->add();
  for (const char* name : {"a", ".wh.a", "d/new", ".wh.d", "e/f", "e/.wh.f"}) put(middle / name);
  EXPECT_EQ(names(), (Names{"e", "e/old"}));
  const auto upper = layers_->add();
  for (const char* name : {"d/newest", "e/f"}) put(upper / name);
  EXPECT_EQ(names(), (Names{"d", "d/newest", "e", "e/f", "e/old"}));
}

TEST_F(AufsMasks, AufsOwnFilesAreNoContent) {
  for (int layer = 0; layer < 2; ++layer) {
    const auto dir = layers_->add();
    put(dir / ".wh..wh.aufs");
    fs::create_directories(dir / ".wh..wh.orph");
    put(dir / ".wh..wh.plnk/12.34");
    put(dir / ("own-" + std::to_string(layer)));
    fs::create_hard_link(dir / ".wh..wh.aufs", dir / ".wh.gone");
    fs::create_hard_link(dir / ".wh..wh.aufs", dir / ".wh.gone-as-well");
    if (layer == 0) {
      EXPECT_EQ(names(), Names{"own-0"});
    }
  }
  EXPECT_EQ(names(), (Names{"own-0", "own-1"}));
}

TEST_F(AufsMasks, DirectoriesKeepTheirAttributes) {
  const auto base = layers_->add();
  for (const char* name : {"d/sub/a", "d/b"}) put(base / name);
  ASSERT_EQ(::chown((base / "d/sub").c_str(), 7, 8), 0);
  ASSERT_EQ(::chmod((base / "d/sub").c_str(), 03751), 0);
  ASSERT_EQ(::setxattr((base / "d/sub").c_str(), "trusted.note", "n", 1, 0), 0);
  const auto upper = layers_->add();
  put(upper / "d/.wh.b");
  put(upper / "d/sub/.wh.a");
  fs::create_directories(layers_->add() / "d");
  for (const char* dir : {"d/sub", "d", "."}) {
    const timespec times[2] = {{1, 0}, {1234567890, 123456789}};
    ASSERT_EQ(::utimensat(AT_FDCWD, (base / dir).c_str(), times, 0), 0);
    ASSERT_EQ(::utimensat(AT_FDCWD, (upper / dir).c_str(), times, 0), 0);
  }
  EXPECT_EQ(names(), (Names{"d", "d/sub"}));
}

TEST_F(AufsMasks, WhatOverlayfsWouldMisreadIsRefused) {
  put(layers_->add() / "d/a");
  const auto upper = layers_->add();
  const auto refused = [&](const std::string& what) {
    try {
      layers_->driver().mount(layers_->top(), Access::read_only, beside_.path());
      ADD_FAILURE() << what;
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::unsupported) << e.what();
      EXPECT_NE(std::string(e.what()).find(what), std::string::npos) << e.what();
    }
    EXPECT_FALSE(is_mount_point(fs::canonical(beside_.path())));
  };
  ASSERT_EQ(::mknod((upper / "null").c_str(), S_IFCHR | 0644, makedev(0, 0)), 0);
  refused("/null");
  fs::remove(upper / "null");
  fs::create_directory(upper / "d");
  ASSERT_EQ(::setxattr((upper / "d").c_str(), "trusted.overlay.opaque", "y", 1, 0), 0);
  refused("/d");
  ASSERT_EQ(::removexattr((upper / "d").c_str(), "trusted.overlay.opaque"), 0);
  put(upper / "d/a");
  ASSERT_EQ(::setxattr((upper / "d/a").c_str(), "trusted.overlay.metacopy", "", 0, 0), 0);
  refused("/d/a");
  fs::remove(upper / "d/a");
  ASSERT_EQ(::setxattr(upper.c_str(), "trusted.overlay.opaque", "x", 1, 0), 0);  // its files' xattrs may hide them
  refused("'/'");
  ASSERT_EQ(::removexattr(upper.c_str(), "trusted.overlay.opaque"), 0);
  EXPECT_EQ(names(), (Names{"d", "d/a"}));
}

// A file that aufs copied up keeps its other names together by a link in `.wh..wh.plnk`. Without aufs, and so after an
// unmount that did not flush it, the other names show what they had, and are links of nothing.
TEST_F(AufsMasks, APseudoLinkIsNoNameOfTheFileItKeeps) {
  const auto base = layers_->add();
  test::write_file(base / "a", "old");
  fs::create_hard_link(base / "a", base / "b");
  fs::create_hard_link(base / "a", base / "d");
  const auto top = layers_->add();
  test::write_file(top / "a", "changed");  // another size: two writes in one tick of the clock have one time
  fs::create_directory(top / ".wh..wh.plnk");
  fs::create_hard_link(top / "a", top / ".wh..wh.plnk/4711.12");
  test::write_file(top / ".wh..wh.plnk/4712.13", "its last name is gone");
  test::write_file(top / "c", "flushed");
  fs::create_hard_link(top / "c", top / "d");
  fs::create_hard_link(top / "c", top / ".wh..wh.plnk/4713.14");
  EXPECT_EQ(names(), (Names{"a", "b", "c", "d"}));
  Driver& driver = layers_->driver();
  const auto below = AufsLayers::id(0);
  const Tree tree = driver.tree(layers_->top()), parent = driver.tree(below);
  EXPECT_EQ(read_all(*content_of(*tree.find("a")), 100), "changed");
  EXPECT_EQ(read_all(*content_of(*tree.find("b")), 100), "old");
  EXPECT_EQ(
      changes_between(tree, parent),
      (std::vector<Change>{{ChangeKind::modified, "/a"}, {ChangeKind::added, "/c"}, {ChangeKind::modified, "/d"}}));
  StringSink out;
  write_export(tree, out);
  const auto tar = read_from(out.text);
  TarReader reader(*tar);
  std::vector<std::string> links;
  while (const auto* entry = reader.next())
    if (entry->type == TarType::hard_link) links.push_back(entry->name + " -> " + entry->link_target);
  EXPECT_EQ(links, std::vector<std::string>{"d -> c"});
  EXPECT_EQ(driver.layer_size(layers_->top(), 0), 7 + 21 + 7);  // each inode once, as the engine counts
  driver.remove(layers_->top());
  EXPECT_EQ(driver.list(), std::vector{below});
  EXPECT_FALSE(fs::exists(top));
  EXPECT_EQ(read_all(*content_of(*driver.tree(below).find("d")), 100), "old");
}

TEST_F(AufsMasks, NothingIsLeftOfAMountOrOfAFailedOne) {
  put(layers_->add() / "a");
  put(layers_->add() / ".wh.a");
  const auto before = mount_table().size();
  // Scratch directories carry their process's number: other processes come and go meanwhile.
  const auto left = [mine = "-" + std::to_string(::getpid()) + "-"] {
    size_t count = 0;
    for (const char* base : {"/run", "/tmp"})
      for (const auto& entry : fs::directory_iterator(base)) {
        const auto name = entry.path().filename().string();
        count += name.starts_with("cairn-") && name.find(mine) != std::string::npos ? 1 : 0;
      }
    return count;
  };
  const size_t names_before = left();
  layers_->driver().mount(layers_->top(), Access::read_only, beside_.path());
  EXPECT_EQ(mount_table().size(), before + 1);
  EXPECT_EQ(left(), names_before);
  unmount(beside_.path());
  EXPECT_EQ(mount_table().size(), before);
}

namespace {

// A tree of a few names, so that layers meet; marks of every kind in it.
class Generator {
 public:
  explicit Generator(unsigned seed) : random_(seed) {}
  void layer(const fs::path& root, int entries) {
    for (int i = 0; i < entries; ++i) one(root);
    for (const auto& entry : fs::recursive_directory_iterator(root))
      if (entry.is_directory() && !entry.is_symlink()) times(entry.path());
    times(root);
  }

 private:
  unsigned upto(unsigned n) { return static_cast<unsigned>(random_() % n); }
  std::string name() { return std::string(1, static_cast<char>('a' + upto(6))); }
  void times(const fs::path& path) {
    const timespec both[2] = {{5, 0}, {static_cast<time_t>(1000000000 + upto(1000000)), upto(1000000000)}};
    ::utimensat(AT_FDCWD, path.c_str(), both, AT_SYMLINK_NOFOLLOW);
  }
  void one(const fs::path& root) {
    fs::path dir = root;
    for (unsigned depth = upto(5); depth > 0; --depth) {
      const fs::path next = dir / name();
      if (fs::symlink_status(next).type() == fs::file_type::not_found) fs::create_directory(next);
      if (!fs::is_directory(fs::symlink_status(next))) return;
      dir = next;
    }
    const fs::path at = dir / name();
    const bool free = fs::symlink_status(at).type() == fs::file_type::not_found;
    switch (upto(11)) {
      case 0:
      case 1:
      case 2:
        test::write_file(dir / (".wh." + name()), "");
        return;
      case 3:
        if (dir != root || upto(20) == 0) test::write_file(dir / ".wh..wh..opq", "");
        return;
      case 4:
        if (free) fs::create_symlink("target", at);
        return;
      case 5:
        if (free && !last_.empty()) fs::create_hard_link(last_, at);
        return;
      case 6:
        if (free) fs::create_directory(at);
        if (fs::is_directory(fs::symlink_status(at))) odd_attributes(at);
        return;
      default:
        if (!free) return;
        test::write_file(at, std::to_string(random_()));
        last_ = at;
    }
  }
  void odd_attributes(const fs::path& dir) {
    ::chown(dir.c_str(), upto(1000), upto(1000)) == 0 && ::chmod(dir.c_str(), upto(07777)) == 0;
    ::setxattr(dir.c_str(), "trusted.note", "n", upto(2), 0);
  }

  std::mt19937 random_;
  fs::path last_;
};

}  // namespace

TEST_F(AufsMasks, ShowRandomTreesAsTheUnionIs) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    layers_ = std::make_unique<AufsLayers>();
    Generator generator(seed);
    const unsigned count = 2 + seed % 5;
    for (unsigned i = 0; i < count; ++i) generator.layer(layers_->add(), 150);
    for (unsigned i : {0u, count - 1}) expect_same(AufsLayers::id(i), "seed " + std::to_string(seed));
    if (HasFailure()) return;
  }
}

}  // namespace cairn
