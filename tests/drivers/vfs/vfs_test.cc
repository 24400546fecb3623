#include "drivers/vfs/vfs.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <cstdlib>
#include <random>

#include "core/archive/apply.h"
#include "core/util/error.h"
#include "drivers/sys/mount.h"
#include "tests/support/fixtures.h"
#include "tests/support/tar_builder.h"
#include "tests/support/temp_dir.h"
#include "tests/support/tree_listing.h"

namespace cairn {

namespace fs = std::filesystem;
using test::listing_of;
using test::TempDir;

class Vfs : public testing::Test {
 protected:
  void SetUp() override {
    if (!test::running_as_root()) GTEST_SKIP() << "layers hold files of any owner: vfs needs root";
    driver_ = open_vfs(root_.path());
    driver_->create(base_, std::nullopt);
    dir_ = root_ / "vfs/dir/base";
  }
  fs::path copy() {  // of base, as a child of it
    driver_->create(copy_, base_);
    return root_ / "vfs/dir/copy";
  }
  static struct stat stat_of(const fs::path& path) {
    struct stat st {};
    EXPECT_EQ(::lstat(path.c_str(), &st), 0) << path;
    return st;
  }
  TempDir root_;
  std::unique_ptr<Driver> driver_;
  const LayerId base_{"base"}, copy_{"copy"};
  fs::path dir_;
};

TEST_F(Vfs, LaysOutItsDirectoriesAsTheEngineDoes) {
  EXPECT_EQ(stat_of(root_ / "vfs/dir").st_mode & 07777, 0710u);  // 0700 up to 20.10.8
  EXPECT_EQ(stat_of(dir_).st_mode & 07777, 0755u);
  copy();
  EXPECT_EQ(list_dir(driver_->home_fd()), (std::vector<std::string>{"base", "copy"}));
}

TEST_F(Vfs, HolesStayHoles) {
  const Fd file = open_at(AT_FDCWD, dir_ / "sparse", O_CREAT | O_WRONLY, 0644);
  ASSERT_EQ(::pwrite(file.get(), "data", 4, 32 << 20), 4);
  ASSERT_EQ(::ftruncate(file.get(), 64 << 20), 0);
  const struct stat st = stat_of(copy() / "sparse");
  EXPECT_EQ(st.st_size, 64 << 20);
  EXPECT_LT(st.st_blocks * 512, 1 << 20);
  EXPECT_EQ(listing_of(driver_->tree(copy_)), listing_of(driver_->tree(base_)));
}

TEST_F(Vfs, AFileThatIsAllHoleIsCopied) {
  test::write_file(dir_ / "hole", "");
  fs::resize_file(dir_ / "hole", 1 << 20);
  EXPECT_EQ(stat_of(copy() / "hole").st_size, 1 << 20);
}

TEST_F(Vfs, HardLinksStayTogetherAndApartFromTheParents) {
  test::write_file(dir_ / "a", "x");
  fs::create_directory(dir_ / "sub");
  fs::create_hard_link(dir_ / "a", dir_ / "sub/b");
  const fs::path out = copy();
  EXPECT_EQ(stat_of(out / "a").st_ino, stat_of(out / "sub/b").st_ino);
  EXPECT_EQ(stat_of(out / "a").st_nlink, 2u);
  EXPECT_NE(stat_of(out / "a").st_ino, stat_of(dir_ / "a").st_ino);
}

TEST_F(Vfs, MetadataIsKeptToTheNanosecond) {
  test::write_file(dir_ / "d/f", "x");
  ASSERT_EQ(::chown((dir_ / "d/f").c_str(), 2200000, 7), 0);
  ASSERT_EQ(::chmod((dir_ / "d/f").c_str(), 06751), 0);
  ASSERT_EQ(::lsetxattr((dir_ / "d/f").c_str(), "trusted.t", "1", 1, 0), 0);
  const std::string capability("\1\0\0\2\0\4\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20);
  ASSERT_EQ(::lsetxattr((dir_ / "d/f").c_str(), "security.capability", capability.data(), capability.size(), 0), 0);
  fs::create_symlink("f", dir_ / "d/l");
  ASSERT_EQ(::lchown((dir_ / "d/l").c_str(), 3, 4), 0);
  ASSERT_EQ(::lsetxattr((dir_ / "d/l").c_str(), "trusted.l", "2", 1, 0), 0);
  const timespec times[2] = {{1, 2}, {1234567890, 123456789}};
  for (const char* name : {"d/f", "d/l", "d", "."})
    ASSERT_EQ(::utimensat(AT_FDCWD, (dir_ / name).c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  const fs::path out = copy();
  EXPECT_EQ(listing_of(driver_->tree(copy_)), listing_of(driver_->tree(base_)));
  for (const char* name : {"d/f", "d/l", "d", "."}) {
    EXPECT_EQ(stat_of(out / name).st_mtim.tv_sec, 1234567890) << name;
    EXPECT_EQ(stat_of(out / name).st_mtim.tv_nsec, 123456789) << name;
  }
}

TEST_F(Vfs, DirectoriesKeepTheirTimesWhereTheParentsFilesJoin) {
  test::write_file(dir_ / "listed/old", "x");
  test::write_file(dir_ / "implied/old", "x");
  const timespec parents[2] = {{5, 0}, {500, 5}}, own[2] = {{9, 0}, {900, 9}};
  for (const char* name : {"listed", "implied", "."})
    ASSERT_EQ(::utimensat(AT_FDCWD, (dir_ / name).c_str(), parents, 0), 0);
  const auto layer = driver_->begin(copy_);
  for (const char* name : {"listed", "implied"}) {
    mkdir_at(layer->root_fd(), name, 0755);
    create_file_at(layer->root_fd(), std::string(name) + "/new", "", 0644);
    layer->hide(open_dir_at(layer->root_fd(), name).get(), "absent");
    ASSERT_EQ(::utimensat(layer->root_fd(), name, own, 0), 0);
  }
  layer->finish(base_, {".", "implied"});
  const fs::path out = root_ / "vfs/dir/copy";
  EXPECT_EQ(stat_of(out / "listed").st_mtim.tv_sec, 900);
  EXPECT_EQ(stat_of(out / "implied").st_mtim.tv_sec, 500);
  EXPECT_EQ(stat_of(out).st_mtim.tv_sec, 500);
  EXPECT_TRUE(fs::exists(out / "listed/old"));
  EXPECT_FALSE(fs::exists(fs::symlink_status(out / "listed/absent")));
}

TEST_F(Vfs, HasNoLimitOfDepth) {
  const LayerId* below = &base_;
  std::vector<LayerId> ids;
  ids.reserve(500);
  for (int i = 0; i < 500; ++i) {
    ids.emplace_back("layer-" + std::to_string(i));
    const auto layer = driver_->begin(ids.back());
    create_file_at(layer->root_fd(), "own-" + std::to_string(i), "", 0644);
    create_file_at(layer->root_fd(), "top", std::to_string(i), 0644);
    if (i > 0) layer->hide(layer->root_fd(), "own-" + std::to_string(i - 1));  // so that copies stay cheap
    layer->finish(*below, {"."});
    below = &ids.back();
  }
  const Tree tree = driver_->tree(ids.back());
  EXPECT_EQ(tree.root().children().size(), 2u);
  EXPECT_TRUE(tree.find("own-499"));
  EXPECT_EQ(read_all(*content_of(*tree.find("top")), 10), "499");
}

TEST_F(Vfs, NoMarkOfALayerStays) {
  test::write_file(dir_ / "d/old", "x");
  const auto layer = driver_->begin(copy_);
  mkdir_at(layer->root_fd(), "d", 0755);
  layer->make_opaque(open_dir_at(layer->root_fd(), "d").get());
  layer->hide(layer->root_fd(), "gone");
  layer->finish(base_, {"."});
  const fs::path out = root_ / "vfs/dir/copy";
  EXPECT_EQ(::lgetxattr((out / "d").c_str(), "trusted.overlay.opaque", nullptr, 0), -1);
  EXPECT_FALSE(fs::exists(fs::symlink_status(out / "gone")));
  EXPECT_TRUE(fs::is_empty(out / "d"));
}

TEST_F(Vfs, ARandomTreeIsCopiedWhole) {
  std::mt19937 random(20);
  const auto pick = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  std::vector<fs::path> dirs{dir_}, files;
  for (int i = 0; i < 300; ++i) {
    const fs::path path = dirs[pick(static_cast<unsigned>(dirs.size()))] / ("n" + std::to_string(i));
    switch (pick(6)) {
      case 0:
        fs::create_directory(path);
        dirs.push_back(path);
        break;
      case 1:
        fs::create_symlink("t" + std::to_string(i), path);
        continue;
      case 2:
        ASSERT_EQ(::mkfifo(path.c_str(), 0600), 0);
        break;
      case 3:
        if (!files.empty()) {
          fs::create_hard_link(files[pick(static_cast<unsigned>(files.size()))], path);
          continue;
        }
        [[fallthrough]];
      default:
        test::write_file(path, std::string(pick(100000), static_cast<char>('a' + pick(26))));
        files.push_back(path);
    }
    ASSERT_EQ(::lchown(path.c_str(), pick(3), pick(3)), 0);
    ASSERT_EQ(::chmod(path.c_str(), 0400 | pick(07777)), 0);
  }
  copy();
  EXPECT_EQ(listing_of(driver_->tree(copy_)), listing_of(driver_->tree(base_)));
}

TEST_F(Vfs, AFileSystemWithoutXattrsIsNamedWhenALayerNeedsThem) {
  MountSpec ramfs;
  ramfs.type = ramfs.source = "ramfs";
  ramfs.target = fs::canonical(root_.path());
  const MountGuard guard(ramfs);
  const auto driver = open_vfs(root_.path());
  const auto source =
      read_from(test::TarBuilder().add({.name = "f", .content = "x", .pax = {{"SCHILY.xattr.trusted.t", "1"}}}).str());
  TarReader reader(*source);
  {
    const auto layer = driver->begin(copy_);
    try {
      apply_tar(reader, *layer);
      FAIL() << "ramfs keeps xattrs on this kernel";
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::unsupported) << e.what();
      EXPECT_NE(std::string(e.what()).find("trusted.t"), std::string::npos) << e.what();
    }
  }
  EXPECT_TRUE(driver->list().empty());
}

TEST_F(Vfs, ReadsWhatDockerWrote) {
  const auto docker = open_vfs(test::unpack_fixture("tiny-1.9.1-vfs-before", root_.path()));
  const auto ids = docker->list();
  EXPECT_EQ(ids.size(), 16u);
  const LayerId child("child");
  docker->create(child, ids[0]);
  EXPECT_EQ(listing_of(docker->tree(child)), listing_of(docker->tree(ids[0])));
}

TEST_F(Vfs, OptionsAreCheckedByName) {
  EXPECT_THROW(open_vfs(root_.path(), {{{"overlay2.size", "1"}}}), Error);
  EXPECT_THROW(open_vfs(root_.path(), {{{"size", "1G"}}}), Error);
}

}  // namespace cairn
