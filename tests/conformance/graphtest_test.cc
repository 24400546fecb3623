// The cases Docker's own driver suite has (G…, A…), and those its successors added (S…, snapshot suites).
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "core/archive/changes.h"
#include "core/util/error.h"
#include "tests/conformance/driver_conformance.h"
#include "tests/support/tar_builder.h"

namespace cairn::test {

namespace fs = std::filesystem;

namespace {

void put(const fs::path& path, const std::string& text, mode_t mode = 0644) {
  std::ofstream(path, std::ios::trunc) << text;
  ASSERT_EQ(::chmod(path.c_str(), mode), 0);
}

void create_base(const fs::path& root) {
  fs::create_directory(root / "a subdir");
  ASSERT_EQ(::chown((root / "a subdir").c_str(), 1, 2), 0);
  ASSERT_EQ(::chmod((root / "a subdir").c_str(), 01705), 0);
  put(root / "a file", "Some data", 04222);
}

void verify_base(const Tree& tree) {
  const auto root = tree.root().children();
  ASSERT_EQ(root.size(), 2u);
  EXPECT_EQ(root[0].name(), "a file");
  EXPECT_EQ(root[0].st().st_mode, static_cast<mode_t>(S_IFREG | 04222));
  EXPECT_EQ(root[0].st().st_uid, 0u);
  auto content = content_of(root[0]);
  EXPECT_EQ(read_all(*content, 100), "Some data");
  EXPECT_EQ(root[1].name(), "a subdir");
  EXPECT_EQ(root[1].st().st_mode, static_cast<mode_t>(S_IFDIR | 01705));
  EXPECT_EQ(root[1].st().st_uid, 1u);
  EXPECT_EQ(root[1].st().st_gid, 2u);
}

std::string text_at(const Tree& tree, const std::string& path) {
  const auto node = tree.find(path);
  if (!node) return "(missing)";
  return read_all(*content_of(*node), 1 << 20);
}

std::string diff_of(Driver& driver, const LayerId& upper, const LayerId& lower) {
  StringSink out;
  const Tree tree = driver.tree(upper), parent = driver.tree(lower);
  write_diff(tree, changes_between(tree, parent, {Compare::exact}), out);
  return out.text;
}

}  // namespace

TEST_P(DriverConformance, G1_AnEmptyLayerIsADirectoryOfRootsWithNothingInIt) {
  driver().create(LayerId("empty"), std::nullopt);
  EXPECT_TRUE(driver().exists(LayerId("empty")));
  {
    const TreeNode root = driver().tree(LayerId("empty")).root();
    EXPECT_EQ(root.st().st_mode, static_cast<mode_t>(S_IFDIR | 0755));
    EXPECT_EQ(root.st().st_uid, 0u);
    EXPECT_EQ(root.st().st_gid, 0u);
    EXPECT_TRUE(root.children().empty());
  }  // an open tree may keep a layer in use
  driver().remove(LayerId("empty"));
  EXPECT_FALSE(driver().exists(LayerId("empty")));
}

TEST_P(DriverConformance, G2_ABaseLayerKeepsModesAndOwners) {
  const mode_t before = ::umask(0);
  const LayerId base = make(std::nullopt, create_base);
  ::umask(before);
  verify_base(driver().tree(base));
}

TEST_P(DriverConformance, G3_AChildShowsItsParentAndInheritsItsRoot) {
  const LayerId base = make(std::nullopt, create_base);
  const LayerId snap = make(base, [](const fs::path&) {});
  verify_base(driver().tree(snap));
  const LayerId changed = make(snap, [](const fs::path& root) { ASSERT_EQ(::chmod(root.c_str(), 0701), 0); });
  const LayerId again = fresh_id();
  driver().create(again, changed);
  verify_base(driver().tree(again));
  EXPECT_EQ(driver().tree(again).root().st().st_mode & 07777, 0701u);
}

TEST_P(DriverConformance, G4_ThroughAsManyLayersAsThereMayBeTheBaseCanBeRead) {
  const int depth = driver().layers_stand_alone() ? 50 : 128;  // one that copies has no limit, but takes its time
  LayerId top = apply(std::nullopt, TarBuilder().file("base-file", "deep").str());
  for (int i = 1; i <= depth; ++i) {
    const std::string n = std::to_string(i), dir = "layer-" + n + "/";
    top = apply(top, TarBuilder()
                         .file("top-id", n)
                         .dir(dir)
                         .file(dir + "layer-id", n)
                         .file(dir + "parent-id", std::to_string(i - 1))
                         .str());
  }
  const Tree tree = driver().tree(top);
  EXPECT_EQ(text_at(tree, "base-file"), "deep");
  for (std::string at = text_at(tree, "top-id"); at != "0"; at = text_at(tree, "layer-" + at + "/parent-id"))
    ASSERT_EQ(text_at(tree, "layer-" + at + "/layer-id"), at);
}

TEST_P(DriverConformance, G5_ADiffAppliedToTheSameBaseGivesTheSameTree) {
  TarBuilder old_files, new_files;
  for (int i = 0; i < 100; ++i) old_files.file("file-" + std::to_string(i), "old");
  old_files.file("file-remove.txt", "gone soon").dir("var").dir("var/lib");
  for (int i = 0; i < 100; ++i) new_files.file("file-" + std::to_string(i), "rewritten " + std::to_string(i));
  new_files.file(".wh.file-remove.txt").file(".wh.var");
  const LayerId base = apply(std::nullopt, old_files.str()), upper = apply(base, new_files.str());
  const std::string tar = diff_of(driver(), upper, base);
  const LayerId copy = fresh_id();
  const Applied applied = apply_layer(driver(), copy, base, tar);
  EXPECT_EQ(driver().layer_size(copy, applied.content_bytes), applied.content_bytes);
  EXPECT_EQ(listing(copy), listing(upper));
  EXPECT_FALSE(driver().tree(copy).find("file-remove.txt"));
  EXPECT_FALSE(driver().tree(copy).find("var"));
}

TEST_P(DriverConformance, G6_ChangesAreExactlyWhatWasDone) {
  if (!writable_mounts())
    GTEST_SKIP() << GetParam().name
                 << " mounts nothing for writing here, and a layer in the making has only its own files";
  const LayerId base = make(std::nullopt, [](const fs::path& root) {
    for (int d = 0; d < 2; ++d) {
      fs::create_directory(root / ("directory-" + std::to_string(d)));
      for (int f = 0; f < 10; ++f)
        put(root / ("directory-" + std::to_string(d)) / ("file-" + std::to_string(f)), "x", 0755);
    }
  });
  std::vector<Change> wanted;
  const LayerId upper = make(base, [&](const fs::path& root) {
    for (int d = 0; d < 2; ++d) {
      const std::string dir = "/directory-" + std::to_string(d);
      wanted.push_back({ChangeKind::modified, dir});
      for (int f = 0; f < 10; ++f) {
        const std::string old = dir + "/file-" + std::to_string(f), fresh = dir + "/file-new-" + std::to_string(f);
        if (f % 3 == 0) put(root.string() + old, "longer than before", 0755);
        if (f % 3 == 1) put(root.string() + fresh, "y", 0755);
        if (f % 3 == 2) fs::remove(root.string() + old);
        wanted.push_back(f % 3 == 0   ? Change{ChangeKind::modified, old}
                         : f % 3 == 1 ? Change{ChangeKind::added, fresh}
                                      : Change{ChangeKind::deleted, old});
      }
    }
  });
  std::sort(wanted.begin(), wanted.end(), [](auto& a, auto& b) { return a.path < b.path; });
  EXPECT_EQ(changes_between(driver().tree(upper), driver().tree(base)), wanted);
}

TEST_P(DriverConformance, A15_AChildOfNothingIsRefusedAndLeavesNothing) {
  EXPECT_EQ(code_of([&] { driver().create(LayerId("child"), LayerId("ghost")); }), Errc::not_found);
  EXPECT_TRUE(driver().list().empty());
  EXPECT_FALSE(driver().exists(LayerId("child")));
}

TEST_P(DriverConformance, A18_SizeCountsALayersOwnContent) {
  const LayerId base = fresh_id(), child = fresh_id();
  const Applied applied =
      apply_layer(driver(), base, std::nullopt, TarBuilder().file("one", std::string(1024, 'x')).str());
  EXPECT_EQ(driver().layer_size(base, applied.content_bytes), 1024);
  EXPECT_GE(driver().disk_usage(base), 1024u);
  driver().create(child, base);
  EXPECT_EQ(driver().layer_size(child, 0), 0);
}

TEST_P(DriverConformance, A23_DeletionsInManyLayersAllCount) {
  LayerId top = apply(std::nullopt, TarBuilder().file("file-0", "0").str());
  const int count = driver().layers_stand_alone() ? 46 : 126;
  for (int i = 1; i < count; ++i) {
    TarBuilder tar;
    tar.file("file-" + std::to_string(i), std::to_string(i));
    if (i % 10 == 0) tar.file(".wh.file-" + std::to_string(i - 1));
    top = apply(top, tar.str());
  }
  EXPECT_EQ(driver().tree(top).root().children().size(), static_cast<size_t>(count - (count - 1) / 10));
}

TEST_P(DriverConformance, S2_DirectoriesDeletedAndMadeAgainDoNotEcho) {
  for (int depth = 1; depth <= 5; ++depth) {
    std::string deep;
    TarBuilder base_tar;
    for (int i = 0; i < depth; ++i) base_tar.dir(deep += "d" + std::to_string(i) + "/");
    base_tar.file(deep + "old", "old");
    const LayerId base = apply(std::nullopt, base_tar.str());
    for (int k = 0; k < depth; ++k) {
      std::string cut;
      for (int i = 0; i < k; ++i) cut += "d" + std::to_string(i) + "/";
      const std::string name = "d" + std::to_string(k);
      const LayerId without = apply(base, TarBuilder().file(cut + ".wh." + name).str());
      EXPECT_FALSE(driver().tree(without).find(cut + name));
      EXPECT_EQ(changes_between(driver().tree(without), driver().tree(base)).back(),
                (Change{ChangeKind::deleted, "/" + cut + name}));
      const LayerId again = apply(without, TarBuilder().dir(cut + name).file(cut + name + "/new", "new").str());
      EXPECT_EQ(driver().tree(again).find(cut + name)->children().size(), 1u) << depth << " " << k;
      const LayerId replaced = apply(
          base, TarBuilder().dir(cut + name).file(cut + name + "/.wh..wh..opq").file(cut + name + "/new", "new").str());
      EXPECT_EQ(listing(replaced), listing(again)) << depth << " " << k;
    }
  }
}

TEST_P(DriverConformance, S3_ListNamesExactlyWhatWasMade) {
  if (!keeps_layers()) GTEST_SKIP() << "another program keeps the layers of " << GetParam().name;
  for (const char* id : {"c", "a", "b-init"}) driver().create(LayerId(id), std::nullopt);
  EXPECT_EQ(driver().list(), (std::vector{LayerId("a"), LayerId("b-init"), LayerId("c")}));
  EXPECT_EQ(reopen()->list(), driver().list());
}

TEST_P(DriverConformance, Snapshots_AFileDeletedAndMadeAgainIsTheNewOne) {
  const LayerId base = apply(std::nullopt, TarBuilder().dir("d").file("d/f", "one").file("d/g", "g").str());
  const LayerId gone = apply(base, TarBuilder().file("d/.wh.f").str());
  const LayerId back = apply(gone, TarBuilder().dir("d").file("d/f", "two").str());
  EXPECT_FALSE(driver().tree(gone).find("d/f"));
  EXPECT_EQ(text_at(driver().tree(back), "d/f"), "two");
  EXPECT_EQ(text_at(driver().tree(back), "d/g"), "g");
  EXPECT_EQ(text_at(driver().tree(base), "d/f"), "one");
}

TEST_P(DriverConformance, Snapshots_OwnerAndModeOfADirectoryComeFromTheUppermostLayer) {
  const LayerId base = apply(std::nullopt, TarBuilder().dir("d", 0700).file("d/f", "f").str());
  const LayerId top =
      apply(base, TarBuilder().add({.name = "d/", .type = '5', .mode = 01777, .uid = 5, .gid = 6}).str());
  const auto dir = driver().tree(top).find("d");
  ASSERT_TRUE(dir);
  EXPECT_EQ(dir->st().st_mode & 07777, 01777u);
  EXPECT_EQ(dir->st().st_uid, 5u);
  EXPECT_EQ(text_at(driver().tree(top), "d/f"), "f");
}

TEST_P(DriverConformance, Snapshots_WhatIsMovedFromALowerLayerIsMoved) {
  if (!writable_mounts()) GTEST_SKIP() << GetParam().name << " mounts nothing for writing here";
  const LayerId base = apply(std::nullopt, TarBuilder().dir("from").file("from/f", "content").dir("to").str());
  const LayerId top = make(base, [](const fs::path& root) {
    fs::rename(root / "from/f", root / "to/f");
    ASSERT_EQ(::chown((root / "to/f").c_str(), 7, 8), 0);
  });
  EXPECT_FALSE(driver().tree(top).find("from/f"));
  EXPECT_EQ(text_at(driver().tree(top), "to/f"), "content");
  EXPECT_EQ(driver().tree(top).find("to/f")->st().st_uid, 7u);
}

}  // namespace cairn::test
