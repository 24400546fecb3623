// What driver.h promises, case by case.
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "core/util/error.h"
#include "tests/conformance/driver_conformance.h"
#include "tests/support/tar_builder.h"

namespace cairn::test {

namespace fs = std::filesystem;

static std::string some_layer() { return TarBuilder().dir("d").file("d/f", "content").symlink("l", "d/f").str(); }

TEST_P(DriverConformance, OpeningAndReadingAnAbsentStoreMakesNothing) {
  const TempDir dir = place_for(GetParam());
  const auto driver = GetParam().open(dir / "absent/root");
  if (fs::exists(dir / "absent")) GTEST_SKIP() << GetParam().name << " makes its home when it is opened";
  EXPECT_TRUE(driver->list().empty());
  EXPECT_FALSE(driver->exists(LayerId("a")));
  driver->remove(LayerId("a"));
  driver->probe();
  EXPECT_EQ(code_of([&] { driver->tree(LayerId("a")); }), Errc::not_found);
  EXPECT_FALSE(fs::exists(dir / "absent"));
  driver->create(LayerId("a"), std::nullopt);
  EXPECT_TRUE(driver->exists(LayerId("a")));
}

TEST_P(DriverConformance, WhatIsMissingIsSaidToBe) {
  const LayerId ghost("ghost");
  EXPECT_FALSE(driver().exists(ghost));
  EXPECT_EQ(code_of([&] { driver().tree(ghost); }), Errc::not_found);
  EXPECT_EQ(code_of([&] { driver().layer_size(ghost, 1); }), Errc::not_found);
}

TEST_P(DriverConformance, ATreeOverItsAncestorsIsItsTreeAndTheRecordsAreInOrder) {
  const LayerId base = apply(std::nullopt, some_layer());
  const LayerId mid = apply(base, TarBuilder().file("d/g", "more").file(".wh.l", "").str()), top("top");
  driver().create(top, mid);
  EXPECT_EQ(listing_of(driver().tree_over(top, {mid, base})), listing(top));
  for (const auto& damage : driver().examine({{base, std::nullopt}, {mid, base}, {top, mid}}))
    ADD_FAILURE() << damage.kind << " " << damage.detail;
}

TEST_P(DriverConformance, ALayerThatIsNotThereHasNoTreeOverOthers) {
  const LayerId base = apply(std::nullopt, some_layer()), ghost("ghost");
  const Errc code = code_of([&] { driver().tree_over(ghost, {base}); });
  EXPECT_TRUE(code == Errc::not_found || code == Errc::corrupt);
}

TEST_P(DriverConformance, ANameIsGivenOnce) {
  driver().create(LayerId("a"), std::nullopt);
  EXPECT_EQ(code_of([&] { driver().create(LayerId("a"), std::nullopt); }), Errc::already_exists);
  EXPECT_EQ(code_of([&] { driver().begin(LayerId("a")); }), Errc::already_exists);
  const auto unfinished = driver().begin(LayerId("b"));
  EXPECT_EQ(code_of([&] { driver().begin(LayerId("b")); }), Errc::already_exists);
  EXPECT_TRUE(driver().exists(LayerId("a")));
}

TEST_P(DriverConformance, AnUnfinishedLayerIsListedButDoesNotExist) {
  const auto target = driver().begin(LayerId("half"));
  EXPECT_EQ(driver().list(), std::vector{LayerId("half")});
  EXPECT_FALSE(driver().exists(LayerId("half")));
  EXPECT_EQ(code_of([&] { driver().create(LayerId("child"), LayerId("half")); }), Errc::not_found);
}

TEST_P(DriverConformance, AnUnfinishedLayerGoesWithItsTarget) {
  {
    const auto target = driver().begin(LayerId("half"));
    create_file_at(target->root_fd(), "file", "content", 0644);
    target->hide(target->root_fd(), "gone");
  }
  EXPECT_TRUE(driver().list().empty());
  driver().create(LayerId("half"), std::nullopt);
}

TEST_P(DriverConformance, WhatACrashLeftIsRemovedByItsName) {
  const pid_t child = ::fork();
  if (child == 0) {
    const auto target = driver().begin(LayerId("half"));
    create_file_at(target->root_fd(), "file", "content", 0644);
    ::_exit(0);  // no destructor runs
  }
  int status = -1;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_EQ(status, 0);
  const auto later = reopen();
  EXPECT_EQ(later->list(), std::vector{LayerId("half")});
  later->remove(LayerId("half"));
  EXPECT_TRUE(later->list().empty());
  later->create(LayerId("half"), std::nullopt);
}

TEST_P(DriverConformance, ALayerOnAMissingParentIsNotFinishedAndLeavesNothing) {
  {
    const auto target = driver().begin(LayerId("child"));
    create_file_at(target->root_fd(), "file", "content", 0644);
    EXPECT_EQ(code_of([&] { target->finish(LayerId("ghost"), {"."}); }), Errc::not_found);
    EXPECT_FALSE(driver().exists(LayerId("child")));
  }
  EXPECT_TRUE(driver().list().empty());
}

TEST_P(DriverConformance, RemovingIsRepeatable) {
  const LayerId id = apply(std::nullopt, some_layer());
  driver().remove(id);
  EXPECT_FALSE(driver().exists(id));
  driver().remove(id);
  EXPECT_TRUE(driver().list().empty());
  EXPECT_EQ(code_of([&] { driver().tree(id); }), Errc::not_found);
}

TEST_P(DriverConformance, RemovingAChildLeavesItsParentAsItWas) {
  const LayerId base = apply(std::nullopt, some_layer());
  const auto before = listing(base);
  const LayerId child = apply(base, TarBuilder().file("d/.wh.f").file("new", "n").str());
  EXPECT_EQ(listing(base), before);
  driver().remove(child);
  EXPECT_EQ(listing(base), before);
}

TEST_P(DriverConformance, TwoOpenDriversSeeOneStore) {
  const auto other = reopen();
  const LayerId base = apply(std::nullopt, some_layer());
  EXPECT_EQ(listing_of(other->tree(base)), listing(base));
  const LayerId child = fresh_id();
  apply_layer(*other, child, base, TarBuilder().file(".wh.l").str());
  EXPECT_FALSE(driver().tree(child).find("l"));
}

TEST_P(DriverConformance, ImpliedDirectoriesAreTheParents) {
  const LayerId base =
      apply(std::nullopt, TarBuilder()
                              .add({.name = "./", .type = '5', .mode = 0711, .uid = 3, .gid = 4})
                              .add({.name = "a/", .type = '5', .mode = 0750, .uid = 10, .gid = 20, .mtime = 1234567890})
                              .add({.name = "a/b/",
                                    .type = '5',
                                    .mode = 02770,
                                    .uid = 11,
                                    .gid = 21,
                                    .pax = {{"SCHILY.xattr.trusted.note", "kept"}}})
                              .str());
  const LayerId child = apply(base, TarBuilder().file("a/b/c/file", "x").str());
  const Tree tree = driver().tree(child), parent = driver().tree(base);
  for (const char* path : {".", "a", "a/b"}) {
    const auto own = tree.find(path)->st(), below = parent.find(path)->st();
    EXPECT_EQ(own.st_mode, below.st_mode) << path;
    EXPECT_EQ(own.st_uid, below.st_uid) << path;
    EXPECT_EQ(own.st_gid, below.st_gid) << path;
    EXPECT_EQ(own.st_mtim.tv_sec, below.st_mtim.tv_sec) << path;
  }
  EXPECT_EQ(tree.find("a/b")->xattrs().at("trusted.note"), "kept");
  EXPECT_EQ(tree.find("a/b/c")->st().st_mode & 07777, 0755u);
}

TEST_P(DriverConformance, ADirectoryWithAnEntryKeepsItsOwnMetadata) {
  const LayerId base =
      apply(std::nullopt, TarBuilder().add({.name = "d/", .type = '5', .mode = 0700, .uid = 1}).file("d/f").str());
  const LayerId child =
      apply(base, TarBuilder().add({.name = "d/", .type = '5', .mode = 0755, .mtime = 1111111111}).file("d/g").str());
  const auto dir = driver().tree(child).find("d");
  EXPECT_EQ(dir->st().st_mode & 07777, 0755u);
  EXPECT_EQ(dir->st().st_uid, 0u);
  EXPECT_EQ(dir->st().st_mtim.tv_sec, 1111111111);
  EXPECT_EQ(dir->children().size(), 2u);
}

TEST_P(DriverConformance, AnImpliedDirectoryThatReplacesALinkTakesNothingFromWhereItLed) {
  const LayerId base = apply(std::nullopt, TarBuilder().dir("real").dir("real/sub", 0700).symlink("way", "real").str());
  const LayerId child = apply(base, TarBuilder().file("way/sub/f", "x").str());
  const Tree tree = driver().tree(child);
  EXPECT_EQ(tree.find("way")->st().st_mode, static_cast<mode_t>(S_IFDIR | 0755));
  EXPECT_EQ(tree.find("way/sub")->st().st_mode & 07777, 0755u);
  EXPECT_EQ(tree.find("real/sub")->children().size(), 0u);
}

TEST_P(DriverConformance, AnImpliedDirectoryBelowAnOpaqueOneHasNothingOfTheParents) {
  const LayerId base = apply(std::nullopt, TarBuilder().dir("d").dir("d/sub", 0700).str());
  for (const char* opaque : {"d", "."}) {
    const LayerId child = fresh_id();
    const auto target = driver().begin(child);
    mkdir_at(target->root_fd(), "d", 0755);
    mkdir_at(target->root_fd(), "d/sub", 0755);
    target->make_opaque(open_dir_at(target->root_fd(), opaque).get());
    target->finish(base, {"d/sub"});
    EXPECT_EQ(driver().tree(child).find("d/sub")->st().st_mode & 07777, 0755u) << opaque;
  }
}

TEST_P(DriverConformance, AnOpaqueRootHidesAllThatParentsHave) {
  const LayerId base = apply(std::nullopt, TarBuilder().file("a").dir("d").file("d/old").dir("gone/deep").str());
  const LayerId child = apply(base, TarBuilder().file(".wh..wh..opq").dir("d").file("d/new").file("b").str());
  const auto shown = listing(child);
  std::vector<std::string> names;
  for (const auto& [path, line] : shown) names.push_back(path);
  EXPECT_EQ(names, (std::vector<std::string>{".", "b", "d", "d/new"}));
}

TEST_P(DriverConformance, WhiteoutsInABaseLayerHideNothingAndShowNothing) {
  const LayerId base =
      apply(std::nullopt, TarBuilder().file(".wh.x").dir("d").file("d/.wh..wh..opq").file("d/f").str());
  EXPECT_EQ(driver().tree(base).root().children().size(), 1u);
  EXPECT_EQ(driver().tree(base).find("d")->children().size(), 1u);
  const LayerId child = apply(base, TarBuilder().file("x", "x").str());
  EXPECT_TRUE(driver().tree(child).find("x"));
}

TEST_P(DriverConformance, LayersAreMadeInManyThreads) {
  const LayerId base = apply(std::nullopt, some_layer());
  std::vector<LayerId> ids;
  for (int i = 0; i < 8; ++i) ids.push_back(fresh_id());
  std::vector<std::thread> threads;
  for (const auto& id : ids)
    threads.emplace_back(
        [&] { apply_layer(driver(), id, base, TarBuilder().file("own", id.str()).file("d/.wh.f").str()); });
  for (auto& thread : threads) thread.join();
  if (keeps_layers()) {
    EXPECT_EQ(driver().list().size(), 9u);
  }
  for (const auto& id : ids) {
    EXPECT_EQ(read_all(*content_of(*driver().tree(id).find("own")), 100), id.str());
    EXPECT_FALSE(driver().tree(id).find("d/f"));
  }
}

TEST_P(DriverConformance, TheHomeIsOnTheStoresFileSystem) {
  driver().create(LayerId("a"), std::nullopt);
  struct stat home, root_st;
  ASSERT_EQ(::fstat(driver().home_fd(), &home), 0);
  ASSERT_EQ(::stat(root().c_str(), &root_st), 0);
  EXPECT_EQ(home.st_dev, root_st.st_dev);
}

}  // namespace cairn::test
