#include "cli/report/layer_forest.h"

#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <utility>

namespace cairn {

namespace {

class Builder {
 public:
  explicit Builder(const ForestContent& content) {
    for (const auto& layer : content.layers) known_.emplace(layer.id, &layer);
    for (const auto& layer : content.layers)
      if (known_.at(layer.id) == &layer && known_.contains(layer.parent)) above_[layer.parent].push_back(&layer);
    for (const auto& image : content.images) {
      if (!known_.contains(image.layer))
        out_.without_layers.push_back(&image);
      else if (!image.tags.empty() || !above_.contains(image.layer))
        images_[image.layer].push_back(&image);
      if (!image.tags.empty()) name_line(image);
    }
    for (auto& [id, layers] : above_) sort(layers);
  }

  LayerForest run() {
    std::vector<const ForestLayer*> roots;
    for (const auto& [id, layer] : known_)
      if (!known_.contains(layer->parent)) roots.push_back(layer);
    sort(roots);
    for (const auto* root : roots) add_tree(*root);
    for (const auto& [id, layer] : known_)  // what is left lies on itself
      if (!seen_.contains(layer)) add_tree(*layer);
    count_rows();
    return std::move(out_);
  }

 private:
  static constexpr size_t kNone = static_cast<size_t>(-1);
  struct Start {
    const ForestLayer* layer;
    size_t below;  // the run it lies on
  };

  // Layers go by the first name among the images they are part of.
  void name_line(const ForestImage& image) {
    const std::string& name = *std::min_element(image.tags.begin(), image.tags.end());
    for (auto at = known_.find(image.layer); at != known_.end(); at = known_.find(at->second->parent)) {
      const auto [known, is_new] = names_.emplace(at->second, name);
      if (!is_new && known->second <= name) return;  // so has all below; and so a circle ends
      known->second = name;
    }
  }
  void sort(std::vector<const ForestLayer*>& layers) const {
    const auto key = [&](const ForestLayer* layer) {
      const auto name = names_.find(layer);
      return std::pair(name == names_.end(), name == names_.end() ? layer->id : name->second);
    };
    std::sort(layers.begin(), layers.end(), [&](const auto* a, const auto* b) { return key(a) < key(b); });
  }

  // No recursion: trees may be as deep as whoever made them liked.
  void add_tree(const ForestLayer& root) {
    std::vector<Start> todo{{&root, kNone}};
    while (!todo.empty()) {
      const Start start = todo.back();
      todo.pop_back();
      if (seen_.contains(start.layer)) continue;
      const size_t run = add_run(start);
      const auto above = above_.find(out_.runs[run].layers.back()->id);
      if (above == above_.end()) continue;
      for (auto it = above->second.rbegin(); it != above->second.rend(); ++it) todo.push_back({*it, run});
    }
  }

  // From `start` up to the first layer that is somebody's uppermost or has not exactly one layer on it.
  size_t add_run(const Start& start) {
    LayerRun run;
    if (start.below != kNone) {
      const LayerRun& below = out_.runs[start.below];
      run.depth = below.depth + 1;
      run.bytes_below = below.bytes + below.bytes_below;
    }
    for (const ForestLayer* layer = start.layer;;) {
      seen_.insert(layer);
      run.layers.push_back(layer);
      run.bytes += static_cast<uint64_t>(std::max<int64_t>(layer->size, 0));
      const auto above = above_.find(layer->id);
      if (const auto images = images_.find(layer->id); images != images_.end()) {
        run.images = images->second;
        break;
      }
      if (above == above_.end() || above->second.size() != 1 || seen_.contains(above->second[0])) break;
      if (above->second[0]->images != layer->images) break;
      layer = above->second[0];
    }
    below_.push_back(start.below);
    out_.runs.push_back(std::move(run));
    return out_.runs.size() - 1;
  }

  void count_rows() {
    auto& runs = out_.runs;
    for (size_t i = runs.size(); i-- > 0;) {  // what lies on a run comes after it
      runs[i].rows = std::max<size_t>(runs[i].rows + runs[i].images.size(), 1);
      if (below_[i] != kNone) runs[below_[i]].rows += runs[i].rows;
      out_.depth = std::max(out_.depth, runs[i].depth + 1);
    }
    std::vector<size_t> next(runs.size());  // the row where the next run on this one starts
    for (size_t i = 0; i < runs.size(); ++i) {
      size_t& row = below_[i] == kNone ? out_.rows : next[below_[i]];
      runs[i].row = row;
      row += runs[i].rows;
      next[i] = runs[i].row + runs[i].images.size();
    }
  }

  std::map<std::string, const ForestLayer*> known_;
  std::map<std::string, std::vector<const ForestLayer*>> above_;
  std::map<std::string, std::vector<const ForestImage*>> images_;
  std::map<const ForestLayer*, std::string> names_;
  std::set<const ForestLayer*> seen_;
  std::vector<size_t> below_;  // of each run
  LayerForest out_;
};

}  // namespace

LayerForest layer_forest(ForestContent content) {
  const auto shared = std::make_shared<const ForestContent>(std::move(content));
  LayerForest out = Builder(*shared).run();
  out.content = shared;
  return out;
}

}  // namespace cairn
