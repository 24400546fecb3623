#include "core/image/save/packer.h"

#include <optional>
#include <vector>

#include "core/archive/compression.h"
#include "core/image/save/counted_sink.h"
#include "core/util/error.h"
#include "core/util/nameless_file.h"
#include "core/util/workers.h"

namespace cairn {
namespace {

class PackedFile : public ByteSink {
 public:
  explicit PackedFile(int fd) : fd_(fd) {}
  void write(std::span<const char> part) override {
    hash.update(part);
    bytes += part.size();
    write_all(fd_, part);
  }
  Sha256 hash;
  uint64_t bytes = 0;

 private:
  int fd_;
};

}  // namespace

LayerPacker::Packed LayerPacker::pack_one(const DiffId& diff, const Wanted& wanted) {
  const std::string label = "layer " + diff.hex().substr(0, 12);
  progress_.state(label, "compressing");
  Fd file;
  try {
    file = while_doing([&] { return "compressing " + label; }, [&] { return make_nameless_file(scratch_); });
    PackedFile out(file.get());
    GzipSink gzip(out);
    CountedSink counted(gzip, progress_);
    layers_.write_tar(wanted.chain, counted);
    gzip.finish();
    progress_.state(label, "compressed");
    progress_.item_done();
    return {std::move(file), out.hash.finish(), out.bytes};
  } catch (const Error& e) {
    const bool another_place_would_do = !file || e.code() == Errc::no_space;
    throw Error(e.code(), "saving image '" + printable(wanted.image) + "': " + e.what() +
                              (another_place_would_do && !hint_.empty() ? "; " + hint_ : ""));
  }
}

void LayerPacker::pack(const std::map<DiffId, Wanted>& wanted, unsigned jobs) {
  std::vector<std::pair<DiffId, Wanted>> todo;
  for (const auto& layer : wanted)
    if (!packed_.contains(layer.first)) todo.push_back(layer);
  std::vector<std::optional<Packed>> done(todo.size());
  run_parallel(jobs, todo.size(), [&](size_t i) { done[i] = pack_one(todo[i].first, todo[i].second); });
  for (size_t i = 0; i < todo.size(); ++i) packed_.emplace(todo[i].first, std::move(*done[i]));
}

}  // namespace cairn
