// Where layers are many, paths long, disks full and mounts shared: what works for three layers must for all there may
// be.
#include <sys/resource.h>

#include <csignal>
#include <thread>

#include "tests/conformance/driver_conformance.h"
#include "tests/support/mounts_elsewhere.h"
#include "tests/support/tar_builder.h"

namespace cairn::test {

namespace fs = std::filesystem;

// A file of its own in every layer, and every tenth takes its parent's away.
static std::vector<LayerId> stack_of(Driver& driver, int count) {
  std::vector<LayerId> out;
  for (int i = 0; i < count; ++i) {
    TarBuilder tar;
    tar.file("file-" + std::to_string(i), std::to_string(i));
    if (i > 0 && i % 10 == 0) tar.file(".wh.file-" + std::to_string(i - 1));
    const auto below = out.empty() ? std::nullopt : std::optional(out.back());
    out.push_back(fresh_id());
    apply_layer(driver, out.back(), below, tar.str());
  }
  return out;
}

// Mount options are one page: where it splits depends on the length of the store's path, byte by byte.
TEST_P(DriverConformance, A24_AMountJoinsAllLayersWhateverTheLengthOfTheStoresPath) {
  if (driver().layers_stand_alone()) GTEST_SKIP() << GetParam().name << " mounts a single directory";
  if (!mountable() || !keeps_layers()) GTEST_SKIP() << GetParam().name << " mounts nothing of its own here";
  const auto at = [&](size_t length) { return root() / std::string(length, 'p'); };
  const auto layers = stack_of(*GetParam().open(at(1)), 126);
  const LayerId &middle = layers[60], &top = layers.back();  // some of these fit into a page by absolute paths
  std::vector<size_t> lengths;
  for (size_t length = 1; length <= 120; ++length) lengths.push_back(length);  // longer than what one branch needs
  lengths.insert(lengths.end(), {200, 255});
  for (size_t last = 1; const size_t length : lengths) {
    if (length != last) fs::rename(at(last), at(length));
    last = length;
    const auto driver = GetParam().open(at(length));
    for (const auto& [id, count] : {std::pair(middle, 61 - 6), {top, 126 - 12}}) {
      const MountedLayer mounted(*driver, id, Access::read_only, place("ro"));
      EXPECT_EQ(std::distance(fs::directory_iterator(mounted.path()), fs::directory_iterator()), count) << length;
    }
  }
}

TEST_P(DriverConformance, A23_TheUppermostOfManyLayersIsWritten) {
  if (!writable_mounts()) GTEST_SKIP() << GetParam().name << " mounts nothing for writing here";
  const int count = driver().layers_stand_alone() ? 51 : 125;
  const LayerId below = stack_of(driver(), count).back();
  const LayerId top = make(below, [](const fs::path& root) {
    write_file(root / "written", "w");
    fs::remove(root / "file-0");
  });
  EXPECT_EQ(driver().tree(top).root().children().size(), static_cast<size_t>(count - (count - 1) / 10));
  EXPECT_FALSE(driver().tree(top).find("file-0"));
}

namespace {

// No file may grow beyond this while it lives: as when a disk is full or a quota used up, in the midst of a file.
class FileSizeLimit {
 public:
  explicit FileSizeLimit(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    ::getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit limit{bytes, before_.rlim_max};
    ::setrlimit(RLIMIT_FSIZE, &limit);
  }
  ~FileSizeLimit() {
    ::setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }
  FileSizeLimit(const FileSizeLimit&) = delete;

 private:
  void (*handler_)(int);
  rlimit before_{};
};

}  // namespace

TEST_P(DriverConformance, ALayerThatCannotBeWrittenToItsEndLeavesNothing) {
  const LayerId base = apply(std::nullopt, TarBuilder().file("below", "b").str()), id = fresh_id();
  const std::string tar = TarBuilder().file("small", "s").file("large", std::string(1 << 20, 'x')).str();
  const auto before = driver().list();
  {
    const FileSizeLimit limit(1 << 16);
    EXPECT_EQ(code_of([&] { apply_layer(driver(), id, base, tar); }), Errc::io);
  }
  EXPECT_FALSE(driver().exists(id));
  EXPECT_EQ(driver().list(), before);
  apply_layer(driver(), id, base, tar);
  EXPECT_EQ(listing(id).size(), 4u);
}

// Every container's processes keep copies of the mounts there were when they began.
TEST_P(DriverConformance, D4_ALayerMountedInAnotherNamespaceIsRemovedOrInUse) {
  if (!mountable()) GTEST_SKIP() << GetParam().name << " mounts nothing here";
  const LayerId base = apply(std::nullopt, TarBuilder().file("f", "f").str()), top = fresh_id();
  driver().create(top, base);
  {
    std::optional<MountedLayer> mounted(std::in_place, driver(), top, Access::read_only, place("ro"));
    const MountsElsewhere other;
    if (!other.is_apart()) GTEST_SKIP() << "no mount namespaces here";
    mounted.reset();
    try {
      driver().remove(top);
      EXPECT_FALSE(driver().exists(top));
    } catch (const Error& e) {
      EXPECT_EQ(e.code(), Errc::in_use) << e.what();
    }
  }
  driver().remove(top);
  EXPECT_EQ(driver().list(), keeps_layers() ? std::vector{base} : std::vector<LayerId>());
}

TEST_P(DriverConformance, LayersAreMountedAndRemovedInManyThreads) {
  if (!mountable()) GTEST_SKIP() << GetParam().name << " mounts nothing here";
  const LayerId base = apply(std::nullopt, TarBuilder().file("f", "f").str());
  const auto before = driver().list();
  std::vector<fs::path> places;
  for (int i = 0; i < 8; ++i) places.push_back(place("at-" + std::to_string(i)));
  std::vector<std::thread> threads;
  for (const auto& target : places)
    threads.emplace_back([&, target] {
      for (int i = 0; i < 5; ++i) {
        const LayerId id = fresh_id();
        driver().create(id, base);
        {
          const MountedLayer mounted(driver(), id, Access::read_only, target);
          EXPECT_EQ(read_file(target / "f"), "f");
        }
        driver().remove(id);
      }
    });
  for (auto& thread : threads) thread.join();
  EXPECT_EQ(driver().list(), before);
}

}  // namespace cairn::test
