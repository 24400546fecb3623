// What each part of the way of a layer costs on one core. The layer is made up (text that packs about 3:1, sizes like
// those of a distribution's files), or given: CAIRN_BENCH_LAYER=/path/to/layer.tar.gz. Bytes a second are those of the
// plain tar.

#include <benchmark/benchmark.h>

#include <cstdlib>
#include <string>
#include <vector>

#include "core/archive/compression.h"
#include "core/archive/stream.h"
#include "core/archive/tar_reader.h"
#include "core/archive/tar_split.h"
#include "core/archive/tar_writer.h"
#include "core/digest/digest.h"
#include "core/util/fd.h"

namespace cairn {
namespace {

class NullSink : public ByteSink {
 public:
  void write(std::span<const char> bytes) override { total += bytes.size(); }
  uint64_t total = 0;
};

// A view of bytes that stay where they are, so that nothing but the part itself is measured.
class ViewSource : public ByteSource {
 public:
  explicit ViewSource(std::span<const char> bytes) : left_(bytes) {}
  size_t read(std::span<char> into) override {
    const size_t n = std::min(into.size(), left_.size());
    std::copy_n(left_.begin(), n, into.begin());
    left_ = left_.subspan(n);
    return n;
  }

 private:
  std::span<const char> left_;
};

std::string made_up_tar() {
  constexpr size_t kFiles = 20'000;
  StringSink out;
  TarWriter writer(out);
  uint32_t random = 1;
  const auto next = [&] { return random = random * 1664525 + 1013904223; };
  std::string text;
  while (text.size() < (1 << 20)) text += "line " + std::to_string(next()) + " of text\n";
  TarEntry entry;
  entry.mode = 0644;
  for (size_t i = 0; i < kFiles; ++i) {
    entry.name = "usr/share/some/directory" + std::to_string(i / 50) + "/file" + std::to_string(i);
    entry.size = next() >> (15 + (next() >> 29));  // mostly small, some up to 128 KiB
    writer.begin(entry);
    writer.write(std::span(text).subspan(next() >> 13, entry.size));
  }
  writer.finish();
  return std::move(out.text);
}

struct Layer {
  std::string packed, tar, lines;
};

const Layer& layer() {
  static const Layer made = [] {
    Layer out;
    if (const char* path = std::getenv("CAIRN_BENCH_LAYER")) {
      out.packed = read_file_at(AT_FDCWD, path, size_t{4} << 30);
      out.tar = read_all(*decompress(std::make_unique<ViewSource>(out.packed)), size_t{16} << 30);
    } else {
      out.tar = made_up_tar();
      StringSink packed;
      GzipSink gzip(packed);
      gzip.write(out.tar);
      gzip.finish();
      out.packed = std::move(packed.text);
    }
    StringSink lines;
    TarSplitWriter writer(lines);
    ViewSource source(out.tar);
    TarReader reader(source, &writer);
    while (reader.next()) {
    }
    out.lines = std::move(lines.text);
    return out;
  }();
  return made;
}

// The layer is made in nobody's time.
benchmark::State& prepared(benchmark::State& state) {
  layer();
  return state;
}

void count(benchmark::State& state) {
  state.SetBytesProcessed(state.iterations() * static_cast<int64_t>(layer().tar.size()));
}

void inflate(benchmark::State& state) {
  for (auto _ : prepared(state))
    benchmark::DoNotOptimize(drain(*decompress(std::make_unique<ViewSource>(layer().packed))));
  count(state);
}

void sha256(benchmark::State& state) {
  for (auto _ : prepared(state)) {
    Sha256 hash;
    hash.update(layer().tar);
    benchmark::DoNotOptimize(hash.finish());
  }
  count(state);
}

void crc64_of_all(benchmark::State& state) {
  for (auto _ : prepared(state)) benchmark::DoNotOptimize(crc64(0, layer().tar));
  count(state);
}

uint64_t read_tar(TarReader::Observer* observer) {
  ViewSource source(layer().tar);
  TarReader reader(source, observer);
  uint64_t entries = 0;
  for (; reader.next(); ++entries)
    for (auto view = reader.read_view(); !view.empty(); view = reader.read_view())
      benchmark::DoNotOptimize(view.data());
  return entries;
}

void tar_read(benchmark::State& state) {
  uint64_t entries = 0;
  for (auto _ : prepared(state)) entries = read_tar(nullptr);
  count(state);
  state.counters["entries"] = static_cast<double>(entries);
}

void tar_split_write(benchmark::State& state) {
  for (auto _ : prepared(state)) {
    NullSink out;
    TarSplitWriter writer(out);
    read_tar(&writer);
  }
  count(state);
}

void tar_split_write_gzip(benchmark::State& state) {
  for (auto _ : prepared(state)) {
    NullSink out;
    GzipSink gzip(out);
    TarSplitWriter writer(gzip);
    read_tar(&writer);
    gzip.finish();
  }
  count(state);
}

void tar_split_read(benchmark::State& state) {
  for (auto _ : prepared(state)) {
    ViewSource source(layer().lines);
    TarSplitReader reader(source);
    for (TarSplitEntry entry; reader.next(entry);) benchmark::DoNotOptimize(entry);
  }
  count(state);
  state.counters["json_bytes"] = static_cast<double>(layer().lines.size());
}

void gzip(benchmark::State& state) {
  for (auto _ : prepared(state)) {
    NullSink out;
    GzipSink sink(out);
    sink.write(layer().tar);
    sink.finish();
    state.counters["ratio"] = static_cast<double>(layer().tar.size()) / static_cast<double>(out.total);
  }
  count(state);
}

// The floor of registering a layer, without its files: all of it in one thread.
void inflate_hash_and_split(benchmark::State& state) {
  for (auto _ : prepared(state)) {
    Sha256 packed, plain;
    const auto source = tee(decompress(tee(std::make_unique<ViewSource>(layer().packed),
                                           [&](std::span<const char> bytes) { packed.update(bytes); })),
                            [&](std::span<const char> bytes) { plain.update(bytes); });
    NullSink out;
    GzipSink sink(out);
    TarSplitWriter writer(sink);
    TarReader reader(*source, &writer);
    while (reader.next()) {
    }
    sink.finish();
  }
  count(state);
}

BENCHMARK(inflate)->Unit(benchmark::kMillisecond);
BENCHMARK(sha256)->Unit(benchmark::kMillisecond);
BENCHMARK(crc64_of_all)->Unit(benchmark::kMillisecond);
BENCHMARK(tar_read)->Unit(benchmark::kMillisecond);
BENCHMARK(tar_split_write)->Unit(benchmark::kMillisecond);
BENCHMARK(tar_split_write_gzip)->Unit(benchmark::kMillisecond);
BENCHMARK(tar_split_read)->Unit(benchmark::kMillisecond);
BENCHMARK(gzip)->Unit(benchmark::kMillisecond);
BENCHMARK(inflate_hash_and_split)->Unit(benchmark::kMillisecond);

}  // namespace
}  // namespace cairn

BENCHMARK_MAIN();
