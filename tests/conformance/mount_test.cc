// Mounts: what the kernel shows is what tree() says.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "core/util/error.h"
#include "drivers/sys/mount_table.h"
#include "tests/conformance/driver_conformance.h"
#include "tests/support/mounts_elsewhere.h"
#include "tests/support/tar_builder.h"

namespace cairn::test {

namespace fs = std::filesystem;

#define REQUIRE_MOUNTS() \
  if (!mountable()) GTEST_SKIP() << GetParam().name << " mounts nothing here"
#define REQUIRE_WRITABLE_MOUNTS() \
  if (!writable_mounts()) GTEST_SKIP() << GetParam().name << " mounts nothing for writing here"

static std::string base_layer() {
  return TarBuilder()
      .dir("d", 0701)
      .file("d/f", "content", 04755)
      .file("d/g", "g")
      .link("h", "d/f")
      .symlink("l", "/d/f")
      .add({.name = "pipe", .type = '6'})
      .add({.name = "zero", .type = '3', .mode = 0666, .major = 1, .minor = 5})
      .dir("opaque")
      .file("opaque/old", "old")
      .dir("replaced/deep")
      .file("replaced/deep/f", "f")
      .str();
}
static std::string upper_layer() {
  return TarBuilder()
      .file("d/.wh.g")
      .file(".wh.l")
      .dir("opaque")
      .file("opaque/.wh..wh..opq")
      .file("opaque/new", "new")
      .file("replaced", "now a file")
      .file("a", "1")
      .link("b", "a")
      .str();
}

TEST_P(DriverConformance, Mount_TheKernelShowsTheSameTree) {
  REQUIRE_MOUNTS();
  const LayerId base = apply(std::nullopt, base_layer()), upper = apply(base, upper_layer());
  for (const auto& id : {base, upper}) {
    const MountedLayer mounted(driver(), id, Access::read_only, place("ro"));
    EXPECT_EQ(listing_of_directory(mounted.path()), listing(id));
  }
}

TEST_P(DriverConformance, Mount_TheKernelShowsAWritableLayersTree) {
  REQUIRE_WRITABLE_MOUNTS();
  const LayerId base = apply(std::nullopt, base_layer()), upper = apply(base, upper_layer());
  const LayerId container = fresh_id();
  driver().create(container, upper);
  const MountedLayer mounted(driver(), container, Access::read_write, place("rw"));
  EXPECT_EQ(listing_of_directory(mounted.path()), listing(container));
}

TEST_P(DriverConformance, Mount_WhatIsWrittenIsInTheLayerAndNowhereElse) {
  REQUIRE_WRITABLE_MOUNTS();
  const LayerId base = apply(std::nullopt, base_layer());
  const auto before = listing(base);
  const LayerId top = make(base, [](const fs::path& root) {
    std::ofstream(root / "d/f", std::ios::app) << " and more";
    std::ofstream(root / "fresh") << "fresh";
    fs::remove_all(root / "replaced");
    fs::create_directory(root / "replaced");
    fs::remove(root / "l");
  });
  EXPECT_EQ(listing(base), before);
  const Tree tree = driver().tree(top);
  EXPECT_EQ(read_all(*content_of(*tree.find("d/f")), 100), "content and more");
  EXPECT_EQ(read_all(*content_of(*tree.find("fresh")), 100), "fresh");
  EXPECT_TRUE(tree.find("replaced")->children().empty());
  EXPECT_FALSE(tree.find("l"));
}

TEST_P(DriverConformance, Mount_ReadOnlyIsReadOnly) {
  REQUIRE_MOUNTS();
  const LayerId base = apply(std::nullopt, base_layer()), upper = apply(base, upper_layer());
  for (const auto& id : {base, upper}) {
    const MountedLayer mounted(driver(), id, Access::read_only, place("ro"));
    EXPECT_EQ(::open((mounted.path() / "new").c_str(), O_WRONLY | O_CREAT, 0644), -1);
    EXPECT_EQ(errno, EROFS);
    EXPECT_EQ(::chmod((mounted.path() / "d").c_str(), 0777), -1);
  }
}

// Removes it unless the driver says that a mount needs it.
static bool removed(Driver& driver, const LayerId& id) {
  try {
    driver.remove(id);
    return true;
  } catch (const Error& e) {
    EXPECT_EQ(e.code(), Errc::in_use) << e.what();
    return false;
  }
}

TEST_P(DriverConformance, Mount_AMountedLayerIsNotRemoved) {
  REQUIRE_MOUNTS();
  const LayerId base = apply(std::nullopt, base_layer()), upper = apply(base, upper_layer());
  const LayerId container = fresh_id();
  driver().create(container, upper);
  for (const auto& id : {base, upper, container}) {
    EXPECT_EQ(driver().mounted(id), std::nullopt);
    const MountedLayer mounted(driver(), id, Access::read_only, place("ro"));
    EXPECT_EQ(code_of([&] { driver().remove(id); }), Errc::in_use);
    const auto target = driver().mounted(id);
    EXPECT_TRUE(!target || fs::equivalent(*target, mounted.path())) << target.value_or("").string();
  }
  EXPECT_EQ(driver().mounted(fresh_id()), std::nullopt);
  if (!keeps_layers()) return;  // what it says of the layers below is the other program's business
  const TreeListing before = listing(container);
  const MountedLayer mounted(driver(), container, Access::read_only, place("ro"));
  if (!driver().layers_stand_alone()) {  // the layer below is a part of what is mounted
    EXPECT_EQ(code_of([&] { reopen()->remove(upper); }), Errc::in_use);
  }
  for (const auto& below : {base, upper}) {
    const bool gone = removed(*reopen(), below);
    EXPECT_EQ(driver().exists(below), !gone);
    EXPECT_EQ(listing_of_directory(mounted.path()), before);
  }
}

TEST_P(DriverConformance, Mount_ALayerMountedForWritingIsNotRemoved) {
  REQUIRE_WRITABLE_MOUNTS();
  const LayerId base = apply(std::nullopt, base_layer()), container = fresh_id();
  driver().create(container, base);
  {
    const MountedLayer mounted(driver(), container, Access::read_write, place("rw"));
    EXPECT_EQ(code_of([&] { driver().remove(container); }), Errc::in_use);
    EXPECT_EQ(code_of([&] { reopen()->remove(container); }), Errc::in_use);
  }
  driver().remove(container);
  driver().remove(base);
  EXPECT_TRUE(driver().list().empty());
}

TEST_P(DriverConformance, Mount_ATakenOrMissingTargetIsRefused) {
  REQUIRE_MOUNTS();
  const LayerId base = apply(std::nullopt, base_layer()), upper = apply(base, upper_layer());
  const fs::path target = place("ro");
  const MountedLayer mounted(driver(), upper, Access::read_only, target);
  for (const auto& id : {base, upper}) {
    EXPECT_EQ(code_of([&] { driver().mount(id, Access::read_only, target); }), Errc::in_use);
    EXPECT_EQ(code_of([&] { driver().mount(id, Access::read_only, target / "nowhere"); }), Errc::not_found);
    EXPECT_EQ(code_of([&] { driver().mount(id, Access::read_only, target / "a"); }), Errc::invalid);
  }
  EXPECT_EQ(code_of([&] { driver().mount(LayerId("ghost"), Access::read_only, place("other")); }), Errc::not_found);
}

TEST_P(DriverConformance, Mount_UnmountingTwiceSaysSoAndABusyMountStays) {
  REQUIRE_MOUNTS();
  const LayerId base = apply(std::nullopt, base_layer()), upper = apply(base, upper_layer());
  const fs::path target = place("ro");
  driver().mount(upper, Access::read_only, target);
  {
    const Fd busy = open_dir(target);
    EXPECT_EQ(code_of([&] { unmount(target); }), Errc::in_use);
    EXPECT_TRUE(is_mount_point(target));
  }
  unmount(target);
  EXPECT_FALSE(is_mount_point(target));
  EXPECT_EQ(code_of([&] { unmount(target); }), Errc::not_found);
  EXPECT_EQ(code_of([&] { unmount(target / "absent"); }), Errc::not_found);
}

TEST_P(DriverConformance, Mount_ThroughALinkTheMountIsFoundAgain) {
  REQUIRE_MOUNTS();
  const LayerId base = apply(std::nullopt, base_layer()), upper = apply(base, upper_layer());
  const fs::path target = place("real");
  fs::create_directory_symlink(target, beside_ / "link");
  driver().mount(upper, Access::read_only, beside_ / "link");
  EXPECT_TRUE(is_mount_point(target));
  unmount(beside_ / "link");
  EXPECT_FALSE(is_mount_point(target));
}

TEST_P(DriverConformance, Mount_ThatLeakedIntoAnotherNamespaceIsInNobodysWay) {
  REQUIRE_MOUNTS();
  const LayerId base = apply(std::nullopt, base_layer()), upper = apply(base, upper_layer());
  const fs::path target = place("ro");
  driver().mount(upper, Access::read_only, target);
  {
    const MountsElsewhere other;
    if (!other.is_apart()) GTEST_SKIP() << "no mount namespaces here";
    unmount(target);
    EXPECT_FALSE(is_mount_point(target));
    EXPECT_EQ(code_of([&] { unmount(target); }), Errc::not_found);
    EXPECT_EQ(listing_of_directory(other.see(target)), listing(upper)) << "there it stays";
    const MountedLayer again(*reopen(), upper, Access::read_only, target);
    EXPECT_EQ(listing_of_directory(target), listing(upper));
  }
  driver().remove(upper);
  driver().remove(base);
  EXPECT_TRUE(driver().list().empty());
}

// Names with all that mount options, mountinfo and shells treat specially, for the store and for the target.
class OddRoots : public testing::TestWithParam<std::tuple<DriverUnderTest, std::string>> {};

TEST_P(OddRoots, AMountShowsTheTree) {
  const auto& [under_test, name] = GetParam();
  const DriverUnderTest there{under_test.name, [&](const fs::path& root) { return under_test.open(root / name); },
                              under_test.backing};
  DriverRoot root(there);
  if (!root.why_not().empty() || !root.mountable())
    GTEST_SKIP() << there.name << " does not mount here: " << root.why_not();
  Driver& driver = root.driver();
  const LayerId base = fresh_id(), upper = fresh_id(), container = fresh_id();
  apply_layer(driver, base, std::nullopt, base_layer());
  apply_layer(driver, upper, base, upper_layer());
  driver.create(container, upper);
  const TempDir beside;
  const fs::path target = fs::canonical(beside.path()) / name;
  fs::create_directories(target);
  for (const auto& [id, access] :
       {std::pair{base, Access::read_only}, {upper, Access::read_only}, {container, Access::read_write}}) {
    if (access == Access::read_write && !root.writable_mounts()) continue;
    const MountedLayer mounted(driver, id, access, target);
    EXPECT_EQ(listing_of_directory(target), listing_of(driver.tree(id)));
    EXPECT_EQ(code_of([&] { driver.remove(id); }), Errc::in_use);
  }
  EXPECT_FALSE(is_mount_point(target));
}

static std::vector<std::string> odd_names() {
  return {"a:b",
          "a,b",
          "a\\b",
          "a b",
          "a\nb",
          "a\tb",
          "a\"b",
          "a=b",
          "a#b",
          "\xff\xfe",
          "a:,\\ \n\"b\\",
          "upperdir=x,workdir=y",
          std::string(250, 'n') + "/" + std::string(250, 'm') + "/" + std::string(250, 'o')};
}

static std::vector<DriverUnderTest> mounting_drivers() {
  auto out = drivers_under_test();
  std::erase_if(out, [](const auto& one) { return one.name == "fake"; });
  return out;
}

INSTANTIATE_TEST_SUITE_P(, OddRoots,
                         testing::Combine(testing::ValuesIn(mounting_drivers()), testing::ValuesIn(odd_names())),
                         [](const auto& test) {
                           const auto names = odd_names();
                           const auto& name = std::get<1>(test.param);
                           const auto at = std::find(names.begin(), names.end(), name) - names.begin();
                           return std::get<0>(test.param).name + "_" + std::to_string(at);
                         });

}  // namespace cairn::test
