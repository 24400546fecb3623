#include "cli/layer_tree.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "cli/exit.h"
#include "cli/image_filter.h"
#include "cli/output/size.h"
#include "core/image/save/selection.h"

namespace cairn {
namespace {

using Layers = std::map<std::string, ForestLayer>;

// In the old layout each image is a layer.
Layers layers_of(const Store& store, const Objects& objects) {
  Layers out;
  for (const auto& record : store.metadata->layers().list())
    out.emplace(record.chain.str(),
                ForestLayer{record.chain.str(), record.parent ? record.parent->str() : "", record.size});
  if (!store.is_legacy()) return out;
  for (const auto& image : objects.images())
    out.emplace(image.id, ForestLayer{image.id, image.parent.value_or(""), image.size});
  Layers own = out;
  for (auto& [id, layer] : own)
    if (const auto parent = out.find(layer.parent); parent != out.end()) layer.size -= parent->second.size;
  return own;
}

std::string top_of(const Store& store, const CatalogImage& image) {
  return store.is_legacy() ? image.id : image.chain ? image.chain->str() : "";
}

// From the top of an image to its base, each layer once, be they in a circle.
template <typename Visit>
void for_each_below(Layers& layers, const std::string& top, Visit&& visit) {
  std::set<std::string> seen;
  for (auto at = layers.find(top); at != layers.end() && seen.insert(at->first).second;
       at = layers.find(at->second.parent))
    visit(at->second);
}

std::set<std::string> chosen_ids(const Store& store, const Objects& objects,
                                 const std::vector<std::string>& references) {
  std::set<std::string> out;
  if (store.is_legacy()) {
    for (const auto& name : references) out.insert(objects.image(name).id);
  } else {
    as_named_by_user([&] {
      for (const auto& image : choose_images(objects.images(), references)) out.insert(image.id.str());
    });
  }
  return out;
}

std::string note_of(size_t images) {
  return images == 0 ? "in no image" : images == 1 ? "in one image" : fmt::format("in {} images", images);
}

}  // namespace

LayerTree layer_tree(const Store& store, const Objects& objects, const std::vector<std::string>& references) {
  const auto chosen = chosen_ids(store, objects, references);
  Layers layers = layers_of(store, objects);
  ForestContent content;
  std::set<std::string> drawn;
  for (const auto& image : objects.images()) {
    const bool is_chosen = chosen.contains(image.id);
    if (!is_chosen && is_intermediate(image)) continue;
    const std::string top = top_of(store, image);
    for_each_below(layers, top, [&](ForestLayer& layer) {
      ++layer.images;
      if (is_chosen) drawn.insert(layer.id);
    });
    if (references.empty() || is_chosen) content.images.push_back({image.id, image.tags, top});
  }
  LayerTree out{store.root.string(), store.driver_name, {}, content.images.size(), {}, {}, {}};
  for (auto& [id, layer] : layers) {
    if (!references.empty() && !drawn.contains(id)) continue;
    LayerTree::Sum& sum = layer.images > 1 ? out.shared : layer.images == 1 ? out.unique : out.loose;
    ++sum.layers;
    sum.bytes += static_cast<uint64_t>(std::max<int64_t>(layer.size, 0));
    layer.note = note_of(layer.images);
    content.layers.push_back(std::move(layer));
  }
  out.forest = layer_forest(std::move(content));
  return out;
}

std::string summary(const LayerTree& tree) {
  const auto counted = [](uint64_t count, const char* what) {
    return fmt::format("{} {}{}", count, what, count == 1 ? "" : "s");
  };
  const uint64_t layers = tree.shared.layers + tree.unique.layers + tree.loose.layers;
  const uint64_t bytes = tree.shared.bytes + tree.unique.bytes + tree.loose.bytes;
  std::string out = fmt::format("{}, {}, {}: {} shared, {} in one image only", counted(tree.images, "image"),
                                counted(layers, "layer"), human_size(bytes), human_size(tree.shared.bytes),
                                human_size(tree.unique.bytes));
  if (tree.loose.layers > 0) out += fmt::format(", {} in none", human_size(tree.loose.bytes));
  return out;
}

}  // namespace cairn
