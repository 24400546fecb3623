#include "core/migrate/graph/hash_layer.h"

#include "core/migrate/layer_tar.h"
#include "core/util/error.h"
#include "core/util/interrupt.h"

namespace cairn {

static HashedLayer from_tar_split(const MigrationSource& source, const LegacyImage& image, const SourceTrees& trees,
                                  const Watch& watch) {
  const auto lines = source.graph.open_tar_split(image.id);
  const LayerTar tar = recorded_tar(*lines, trees.tree(LayerId(image.id)), watch);
  return {tar.diff, tar.size, true, ""};
}

static HashedLayer from_diff(const LegacyImage& image, const SourceTrees& trees, MigrationState& state,
                             const Watch& watch) {
  const Fd file = state.create_tar_split(image.id);
  FdSink split(file.get());
  const LayerTar tar = fresh_tar(trees.files(LayerId(image.id)), std::nullopt, split, watch);
  return {tar.diff, tar.size, false, ""};
}

HashedLayer hash_layer(const MigrationSource& source, const LegacyImage& image, const SourceTrees& trees,
                       MigrationState& state, Progress& progress) {
  const Watch watch{[&](std::span<const char> part) {
                      progress.advance(part.size());
                      check_interrupt();
                    },
                    [&] { progress.files(1); }};
  if (auto known = state.load(image.id)) {
    progress.advance(static_cast<uint64_t>(std::max<int64_t>(known->size, 0)));
    return *known;
  }
  std::string warning;
  std::optional<HashedLayer> result;
  if (image.has_tar_split) {
    try {
      result = from_tar_split(source, image, trees, watch);
    } catch (const Error& e) {
      if (e.code() == Errc::interrupted || e.code() == Errc::io) throw;  // a disk that fails says nothing of the record
      warning = std::string("its recorded tar cannot be rebuilt, so a fresh one was made: ") + e.what();
    }
  }
  if (!result) result = from_diff(image, trees, state, watch);
  result->warning = warning;
  state.save(image.id, *result);
  return *result;
}

}  // namespace cairn
