#include "core/migrate/graph/hash_layer.h"

#include "core/archive/changes.h"
#include "core/archive/compression.h"
#include "core/archive/generate.h"
#include "core/archive/tar_split.h"
#include "core/layer/tree_content.h"
#include "core/util/error.h"
#include "core/util/interrupt.h"

namespace cairn {

namespace {

class HashSink : public ByteSink {
 public:
  explicit HashSink(Progress& progress) : progress_(progress) {}
  void write(std::span<const char> bytes) override {
    hash.update(bytes);
    progress_.advance(bytes.size());
    check_interrupt();
  }
  Sha256 hash;

 private:
  Progress& progress_;
};

}  // namespace

static HashedLayer from_tar_split(const MigrationSource& source, const LegacyImage& image, Progress& progress) {
  const auto lines = source.graph.open_tar_split(image.id);
  TreeContent content(source.driver.tree(LayerId(image.id)));
  HashSink sink(progress);
  const int64_t size = reassemble(
      *lines,
      [&](const std::string& name) {
        progress.files(1);
        return content.open(name);
      },
      sink);
  return {DiffId(sink.hash.finish()), size, true, ""};
}

static HashedLayer from_diff(const MigrationSource& source, const LegacyImage& image, MigrationState& state,
                             Progress& progress) {
  const Tree tree = source.driver.tree(LayerId(image.id));
  const Tree parent = image.parent ? source.driver.tree(LayerId(*image.parent)) : Tree();
  const auto changes = changes_between(tree, parent, {.rule = Compare::exact});
  const auto bytes = tee(generate([&](ByteSink& out) { write_diff(tree, changes, out); }),
                         [](std::span<const char>) { check_interrupt(); });
  Sha256 hash;
  const auto hashed = tee(generate([&](ByteSink& out) { copy(*bytes, out); }), [&](std::span<const char> part) {
    hash.update(part);
    progress.advance(part.size());  // in the thread that said what it is doing
  });
  const Fd file = state.create_tar_split(image.id);
  FdSink out(file.get());
  GzipSink packed(out);
  TarSplitWriter split(packed);
  TarReader tar(*hashed, &split);
  while (tar.next() != nullptr) {
    tar.skip_content();
    progress.files(1);
  }
  packed.finish();
  return {DiffId(hash.finish()), split.content_bytes(), false, ""};
}

HashedLayer hash_layer(const MigrationSource& source, const LegacyImage& image, MigrationState& state,
                       Progress& progress) {
  if (auto known = state.load(image.id)) {
    progress.advance(static_cast<uint64_t>(std::max<int64_t>(known->size, 0)));
    return *known;
  }
  std::string warning;
  std::optional<HashedLayer> result;
  if (image.has_tar_split) {
    try {
      result = from_tar_split(source, image, progress);
    } catch (const Error& e) {
      if (e.code() == Errc::interrupted || e.code() == Errc::io) throw;  // a disk that fails says nothing of the record
      warning = std::string("its recorded tar cannot be rebuilt, so a fresh one was made: ") + e.what();
    }
  }
  if (!result) result = from_diff(source, image, state, progress);
  result->warning = warning;
  state.save(image.id, *result);
  return *result;
}

std::set<std::string> tar_split_names(ByteSource& json_lines) {
  std::set<std::string> out;
  TarSplitReader reader(json_lines);
  TarSplitEntry entry;
  while (reader.next(entry))
    if (entry.kind == TarSplitEntry::Kind::file) out.insert(clean_path(entry.name));
  return out;
}

}  // namespace cairn
