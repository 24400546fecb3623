// What drivers cost, by the measures of Docker's own driver suite (GB1 to GB7), and beside each what the machine needs
// for the same without a driver: names are DRIVER/MEASURE, and floor/MEASURE, on the file system of $CAIRN_TEST_DIR.
// CAIRN_BENCH_DRIVERS=overlay2,vfs picks drivers; --benchmark_filter picks whatever. Drivers that do not work here are
// left out with a word on standard error.
#include <benchmark/benchmark.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <fstream>

#include "core/archive/changes.h"
#include "core/archive/tar_reader.h"
#include "drivers/sys/mount.h"
#include "tests/conformance/drivers_under_test.h"
#include "tests/support/tar_builder.h"

namespace cairn::test {
namespace {

namespace fs = std::filesystem;

class CountingSink : public ByteSink {
 public:
  void write(std::span<const char> bytes) override { total += bytes.size(); }
  uint64_t total = 0;
};

// As Docker's suite has them: 64 bytes that do not pack, a hundred to a directory.
std::string files(int count, uint32_t seed, const std::string& prefix = "file") {
  TarBuilder out;
  for (int i = 0; i < count; ++i) {
    const std::string dir = "directory-" + std::to_string(i / 100) + "/";
    if (i % 100 == 0) out.dir(dir);
    std::string content;
    for (int byte = 0; byte < 64; ++byte) content += static_cast<char>((seed = seed * 1664525 + 1013904223) >> 24);
    out.file(dir + prefix + "-" + std::to_string(i), content, 0755);
  }
  return out.str();
}

LayerId apply(Driver& driver, const std::optional<LayerId>& parent, const std::string& tar) {
  const LayerId id = fresh_id();
  apply_layer(driver, id, parent, tar);
  return id;
}

uint64_t diff_size(const Driver& driver, const LayerId& upper, const LayerId& lower) {
  CountingSink out;
  const Tree tree = driver.tree(upper), parent = driver.tree(lower);
  write_diff(tree, changes_between(tree, parent), out);
  return out.total;
}

LayerId stack_of(Driver& driver, int depth) {
  LayerId top = apply(driver, std::nullopt, files(50, 1, "base"));
  for (int i = 1; i <= depth; ++i) top = apply(driver, top, TarBuilder().file("top-id", std::to_string(i)).str());
  return top;
}

void gb1_exists(benchmark::State& state, Driver& driver) {
  const LayerId id = apply(driver, std::nullopt, files(1, 1));
  for (auto _ : state)
    if (!driver.exists(id)) state.SkipWithError("it does not exist");
}

// Mounted and unmounted; without a parent, as Docker's suite does it, and with one.
void mount_and_unmount(benchmark::State& state, Driver& driver, const LayerId& id) {
  const TempDir target;
  for (auto _ : state) {
    driver.mount(id, Access::read_only, target.path());
    unmount(target.path());
  }
}
void gb2_get_empty(benchmark::State& state, Driver& driver) {
  const LayerId id = fresh_id();
  driver.create(id, std::nullopt);
  mount_and_unmount(state, driver, id);
}
void gb2_get_empty_child(benchmark::State& state, Driver& driver) {
  const LayerId base = apply(driver, std::nullopt, files(1, 1)), id = fresh_id();
  driver.create(id, base);
  mount_and_unmount(state, driver, id);
}

void gb3_diff_base(benchmark::State& state, Driver& driver) {
  const LayerId base = apply(driver, std::nullopt, files(3, 3));
  for (auto _ : state) {
    CountingSink out;
    const Tree tree = driver.tree(base);
    write_diff(tree, changes_between(tree, Tree()), out);
    benchmark::DoNotOptimize(out.total);
  }
}

void gb4_diff_n(benchmark::State& state, Driver& driver) {
  const LayerId base = apply(driver, std::nullopt, files(static_cast<int>(state.range(0)), 3));
  const LayerId upper = apply(driver, base, files(static_cast<int>(state.range(1)), 5, "upper"));
  uint64_t bytes = 0;
  for (auto _ : state) bytes = diff_size(driver, upper, base);
  state.counters["tar_bytes"] = static_cast<double>(bytes);
}

// The diff of a layer, straight into another on the same base.
void gb5_diff_apply_n(benchmark::State& state, Driver& driver) {
  const int count = static_cast<int>(state.range(0));
  const LayerId base = apply(driver, std::nullopt, files(count, 3));
  const LayerId upper = apply(driver, base, files(count, 5, "upper"));
  for (auto _ : state) {
    StringSink tar;
    {
      const Tree tree = driver.tree(upper), parent = driver.tree(base);
      write_diff(tree, changes_between(tree, parent), tar);
    }
    const LayerId copy = apply(driver, base, tar.text);
    state.PauseTiming();
    driver.remove(copy);
    state.ResumeTiming();
  }
}

void gb6_deep_layer_diff(benchmark::State& state, Driver& driver) {
  const LayerId below = stack_of(driver, static_cast<int>(state.range(0)) - 1);
  const LayerId top = apply(driver, below, files(50, 9, "top"));
  for (auto _ : state) benchmark::DoNotOptimize(diff_size(driver, top, below));
}

// A file of the lowest layer and one of the uppermost, by way of a mount that is there; or without any mount.
void gb7_deep_layer_read(benchmark::State& state, Driver& driver) {
  const LayerId top = stack_of(driver, static_cast<int>(state.range(0)));
  const TempDir target;
  driver.mount(top, Access::read_only, target.path());
  for (auto _ : state) {
    benchmark::DoNotOptimize(read_file(target / "top-id"));
    benchmark::DoNotOptimize(read_file(target / "directory-0/base-0"));
  }
  unmount(target.path());
}
void gb7_deep_layer_read_unmounted(benchmark::State& state, Driver& driver) {
  const LayerId top = stack_of(driver, static_cast<int>(state.range(0)));
  for (auto _ : state) {
    const Tree tree = driver.tree(top);
    benchmark::DoNotOptimize(read_all(*content_of(*tree.find("top-id")), 100));
    benchmark::DoNotOptimize(read_all(*content_of(*tree.find("directory-0/base-0")), 100));
  }
}

// What the same takes in plain directories, by nothing but the system calls that nobody gets around.
class Plain {
 public:
  explicit Plain(int count, const std::string& prefix = "file") {
    for (int i = 0; i < count; ++i) {
      paths_.push_back("directory-" + std::to_string(i / 100) + "/" + prefix + "-" + std::to_string(i));
      write_file(dir_ / paths_.back(), std::string(64, 'x'));
    }
  }
  fs::path path() const { return dir_.path(); }
  int fd() const { return fd_.get(); }
  const std::vector<std::string>& paths() const { return paths_; }

 private:
  TempDir dir_;
  Fd fd_ = open_dir(dir_.path());
  std::vector<std::string> paths_;
};

void floor_stat(benchmark::State& state) {
  const Plain plain(1);
  for (auto _ : state) benchmark::DoNotOptimize(stat_at(plain.fd(), plain.paths()[0]));
}

void floor_bind(benchmark::State& state) {
  const Plain plain(1);
  const TempDir target;
  for (auto _ : state) {
    if (::mount(plain.path().c_str(), target.path().c_str(), nullptr, MS_BIND, nullptr) != 0 ||
        ::umount2(target.path().c_str(), 0) != 0)
      return state.SkipWithError("mounting needs root");
  }
}

void read_all_of(const Plain& plain) {
  for (const auto& path : plain.paths()) {
    const Fd file = open_at(plain.fd(), path, O_RDONLY | O_NOFOLLOW);
    struct stat st;
    benchmark::DoNotOptimize(::fstat(file.get(), &st));
    char content[100];
    benchmark::DoNotOptimize(::read(file.get(), content, sizeof content));
  }
}

// Lower files are looked at, upper ones also read.
void floor_stat_and_read(benchmark::State& state) {
  const Plain lower(static_cast<int>(state.range(0))), upper(static_cast<int>(state.range(1)), "upper");
  for (auto _ : state) {
    for (const auto& path : lower.paths()) benchmark::DoNotOptimize(stat_at(lower.fd(), path));
    for (const auto& path : upper.paths()) benchmark::DoNotOptimize(stat_at(upper.fd(), path));
    read_all_of(upper);
  }
}

void floor_copy(benchmark::State& state) {
  const Plain from(static_cast<int>(state.range(0)));
  const std::string tar = files(static_cast<int>(state.range(0)), 5);
  for (auto _ : state) {
    read_all_of(from);
    const TempDir to;
    const Fd dir = open_dir(to.path());
    mkdir_at(dir.get(), "directory-0", 0755);
    const timespec times[2] = {{1, 0}, {1, 0}};
    for (const auto& path : from.paths()) {
      const Fd file = open_at(dir.get(), path, O_WRONLY | O_CREAT | O_EXCL, 0755);
      benchmark::DoNotOptimize(::write(file.get(), tar.data(), 64));
      benchmark::DoNotOptimize(::fchown(file.get(), 0, 0));
      benchmark::DoNotOptimize(::futimens(file.get(), times));
    }
    state.PauseTiming();
    remove_tree_at(dir.get(), "directory-0");
    state.ResumeTiming();
  }
}

void floor_read_two(benchmark::State& state) {
  const Plain plain(50);
  for (auto _ : state) {
    benchmark::DoNotOptimize(read_file(plain.path() / plain.paths()[0]));
    benchmark::DoNotOptimize(read_file(plain.path() / plain.paths()[1]));
  }
}

enum class Needs { layers, mounts };
struct Measure {
  const char* name;
  void (*run)(benchmark::State& state, Driver& driver);
  Needs needs = Needs::layers;
  std::vector<std::vector<int64_t>> sizes = {};
};

const std::vector<Measure>& measures() {
  static const std::vector<Measure> all = {
      {"GB1_Exists", gb1_exists},
      {"GB2_GetEmpty", gb2_get_empty, Needs::mounts},
      {"GB2_GetEmptyChild", gb2_get_empty_child, Needs::mounts},
      {"GB3_DiffBase", gb3_diff_base},
      {"GB4_DiffN", gb4_diff_n, Needs::layers, {{10, 10}, {10, 10'000}, {10'000, 10}}},
      {"GB5_DiffApplyN", gb5_diff_apply_n, Needs::layers, {{100}}},
      {"GB6_DeepLayerDiff", gb6_deep_layer_diff, Needs::layers, {{20}}},
      {"GB7_DeepLayerRead", gb7_deep_layer_read, Needs::mounts, {{20}}},
      {"GB7_DeepLayerReadUnmounted", gb7_deep_layer_read_unmounted, Needs::layers, {{20}}},
  };
  return all;
}

benchmark::internal::Benchmark* with(benchmark::internal::Benchmark* one,
                                     const std::vector<std::vector<int64_t>>& sizes) {
  for (const auto& size : sizes) one->Args(size);
  return one->Unit(benchmark::kMicrosecond)->UseRealTime();
}

void run_on(benchmark::State& state, const DriverUnderTest& under_test, const Measure& measure) {
  DriverRoot root(under_test);
  if (measure.needs == Needs::mounts && !root.mountable()) return state.SkipWithError("mounts nothing here");
  try {
    measure.run(state, root.driver());
  } catch (const std::exception& e) {
    state.SkipWithError(e.what());
  }
}

bool wanted(const std::string& name) {
  const char* list = std::getenv("CAIRN_BENCH_DRIVERS");
  return list ? ("," + std::string(list) + ",").find("," + name + ",") != std::string::npos : name != "fake";
}

void register_all() {
  const std::vector<std::pair<Measure, void (*)(benchmark::State&)>> floors = {
      {{"GB1_Exists", nullptr}, floor_stat},
      {{"GB2_GetEmpty", nullptr}, floor_bind},
      {{"GB4_DiffN", nullptr, Needs::layers, {{10, 10}, {10, 10'000}, {10'000, 10}}}, floor_stat_and_read},
      {{"GB5_DiffApplyN", nullptr, Needs::layers, {{100}}}, floor_copy},
      {{"GB7_DeepLayerRead", nullptr}, floor_read_two}};
  for (const auto& [measure, run] : floors)
    with(benchmark::RegisterBenchmark((std::string("floor/") + measure.name).c_str(), run), measure.sizes);
  static const auto drivers = drivers_under_test();
  for (const auto& driver : drivers) {
    if (!wanted(driver.name)) continue;
    if (const std::string why = DriverRoot(driver).why_not(); !why.empty()) {
      std::fprintf(stderr, "left out %s: %s\n", driver.name.c_str(), why.c_str());
      continue;
    }
    for (const auto& measure : measures())
      with(benchmark::RegisterBenchmark((driver.name + "/" + measure.name).c_str(), run_on, driver, measure),
           measure.sizes);
  }
}

}  // namespace
}  // namespace cairn::test

int main(int argc, char** argv) {
  benchmark::Initialize(&argc, argv);
  if (benchmark::ReportUnrecognizedArguments(argc, argv)) return 2;
  cairn::test::register_all();
  benchmark::RunSpecifiedBenchmarks();
  benchmark::Shutdown();
}
