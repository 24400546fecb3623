#include "core/migrate/content/examine_layers.h"

#include <limits.h>

#include <algorithm>

#include "core/migrate/ends_run.h"
#include "core/migrate/layer_tar.h"
#include "core/util/error.h"
#include "core/util/interrupt.h"
#include "core/util/workers.h"

namespace cairn {

namespace {

class Examination {
 public:
  Examination(const ContentSource& source, const SourceTrees& trees, ContentLayer& layer)
      : source_(source), trees_(trees), layer_(layer) {}

  std::vector<Damage> run() {
    const auto content = read_tar_split();
    const bool suspect = content && !plausible(*content);
    if (!content || (suspect && !recorded_tar_is_right()))
      remake_tar_split();
    else if (suspect && layer_.record.size != measured_size(content->size))
      correct_size(content->size);
    return std::move(damage_);
  }

 private:
  const ChainId& chain() const { return layer_.record.chain; }

  // nullopt where there is none that is whole.
  std::optional<TarSplitContent> read_tar_split() {
    LayerMetadata& layers = source_.metadata.layers();
    try {
      char first[1];
      if (layers.open_raw_tar_split(chain())->read(first) == 0) {
        why_ = {"tar-split-empty", chain().str(), "its file 'tar-split.json.gz' is empty"};
        return std::nullopt;
      }
      return content_of_tar_split(*layers.open_tar_split(chain()));
    } catch (const Error& e) {
      if (tells_nothing(e)) throw;
      why_ = {e.code() == Errc::not_found ? "tar-split-missing" : "tar-split-damaged", chain().str(), e.what()};
      return std::nullopt;
    }
  }

  // Engines record the sum of the tar's entries; where a layer has its own files only, also the sum of those: symbolic
  // links have a length there. A layer that was carried over from another driver keeps the size it had.
  bool plausible(const TarSplitContent& content) const {
    const int64_t size = layer_.record.size;
    const auto links = static_cast<int64_t>(content.names.size()) * PATH_MAX;
    if (size < content.size || size - content.size > links) return false;
    if (source_.driver.layers_stand_alone()) return true;  // a device would have to be mounted
    const LayerId& id = layer_.record.cache_id;
    // Nearly always in its own directory; the whole tree has one more for each ancestor.
    return tree_has_some_of(content.names, source_.driver.tree_over(id, {})) ||
           tree_has_some_of(content.names, trees_.tree(id));
  }

  int64_t measured_size(int64_t content_bytes) const {
    try {
      return source_.driver.layer_size(layer_.record.cache_id, content_bytes);
    } catch (const Error& e) {
      if (e.code() != Errc::corrupt) throw;
      return content_bytes;
    }
  }

  bool recorded_tar_is_right() {
    try {
      const auto lines = source_.metadata.layers().open_tar_split(chain());
      if (recorded_tar(*lines, trees_.tree(layer_.record.cache_id), until_interrupted()).diff == layer_.record.diff)
        return true;
      why_ = {"tar-split-damaged", chain().str(), "its tar-split data is another layer's"};
    } catch (const Error& e) {
      if (tells_nothing(e)) throw;
      why_ = {"tar-split-damaged", chain().str(), e.what()};
    }
    return false;
  }

  void remake_tar_split() {
    layer_.tar_split = TarSplit::none;
    why_.repair = "the layer comes over without it: it can be run, but neither saved nor pushed";
    try {
      const FoundForm found = find_form(trees_.files(layer_.record.cache_id), layer_.record.diff, until_interrupted());
      if (found.fits) {
        layer_.tar_split = TarSplit::rebuilt;
        layer_.form = found.form;
        why_.repair = "made anew from the layer's files, which give its DiffID; nothing is lost";
      }
      damage_.push_back(why_);
      if (layer_.record.size != found.size) correct_size(found.size);
    } catch (const Error& e) {
      if (tells_nothing(e)) throw;
      why_.repair = std::string("none: ") + e.what();
      damage_.push_back(why_);
    }
  }

  void correct_size(int64_t content_bytes) {
    const int64_t measured = measured_size(content_bytes), recorded = layer_.record.size;
    if (recorded == measured) return;
    if (recorded != -1)  // lost, which is told with the entry
      damage_.push_back({"layer-size-wrong", chain().str(), "its 'size' says " + std::to_string(recorded),
                         "measured anew: " + std::to_string(measured) + "; nothing is lost"});
    layer_.record.size = measured;
  }

  const ContentSource& source_;
  const SourceTrees& trees_;
  ContentLayer& layer_;
  Damage why_;
  std::vector<Damage> damage_;
};

}  // namespace

void examine_layers(const ContentSource& source, const std::set<ChainId>& there, const MigrateOptions& options,
                    ContentSelection& selection) {
  std::vector<std::vector<Damage>> found(selection.layers.size());
  run_parallel(options.jobs, selection.layers.size(), [&](size_t i) {
    check_interrupt();
    ContentLayer& layer = selection.layers[i];
    if (there.contains(layer.record.chain)) return;
    try {
      found[i] = Examination(source, selection.trees, layer).run();
    } catch (const Error& e) {  // the disk fails: so will the layer, which stays as it is recorded
      if (ends_run(e, options)) throw;
    }
  });
  for (auto& part : found) std::move(part.begin(), part.end(), std::back_inserter(selection.damage));
}

}  // namespace cairn
