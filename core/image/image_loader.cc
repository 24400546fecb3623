#include "core/image/image_loader.h"

#include <algorithm>
#include <set>

#include "core/image/image_store.h"
#include "core/image/v1_config.h"
#include "core/json/go_json.h"
#include "core/layer/layer_stack.h"
#include "core/util/error.h"

namespace cairn {

static constexpr size_t kMaxLayers = 125;  // engines refuse to register more

template <typename Body>
bool ImageLoader::attempt(const std::string& label, Body&& body) {
  try {
    body();
    return true;
  } catch (const Error& e) {
    if (e.code() == Errc::interrupted) throw;
    failed_.push_back({label, e.what(), e.code()});
    return false;
  }
}

std::vector<LayerRecord> ImageLoader::register_layers(const std::optional<ChainId>& base,
                                                      const std::vector<ArchiveLayer>& layers) {
  for (const auto& layer : layers) announced_bytes_ += archive_.size_of(layer.member);
  announced_layers_ += layers.size();
  progress_.total(announced_bytes_, announced_layers_);
  return archive_.register_layers(base, layers);
}

// Before any of them is registered: archives may leave out what they take the receiver to have (`cairn save --have`).
void ImageLoader::require_layers(const std::vector<ArchiveLayer>& layers) {
  std::vector<const ArchiveLayer*> missing;
  std::optional<ChainId> chain;
  bool known = true;
  for (const auto& layer : layers) {
    if (!layer.diff) return;
    chain = chain_id(chain, *layer.diff);
    known = known && find_loadable(metadata_.layers(), *chain);
    if (!known && !archive_.can_give(layer)) missing.push_back(&layer);
  }
  if (!missing.empty()) throw_missing(missing, layers.size());
}

ImageId ImageLoader::store(const std::string& config) {
  const ImageConfig read = read_image_config(config);
  if (!read.os.empty() && read.os != "linux")
    throw Error(Errc::unsupported,
                "checking the configuration: the image is for " + printable(read.os, 40) + ", not for linux");
  return create_image(layers_, metadata_, config);
}

void ImageLoader::add(const ImageId& id, const std::vector<std::string>& tags) {
  const auto [place, fresh] = places_.emplace(id, images_.size());
  if (fresh) images_.push_back({id, {}});
  auto& known = images_[place->second].tags;
  for (const auto& tag : tags) {
    if (std::find(known.begin(), known.end(), tag) == known.end()) known.push_back(tag);
    names_.insert_or_assign(tag, id);
  }
}

void ImageLoader::load(const ArchiveItem& item) {
  attempt(item.label, [&] {
    const ArchiveImage image = item.read();
    if (image.layers.size() > kMaxLayers)
      throw Error(Errc::unsupported, "counting the layers: there are " + std::to_string(image.layers.size()) +
                                         ", engines take " + std::to_string(kMaxLayers));
    require_layers(image.layers);
    register_layers(std::nullopt, image.layers);
    const ImageId id = store(image.config);
    if (image.parent) parents_.emplace_back(id, *image.parent);
    add(id, item.tags);
  });
}

// Docker's rule: the child's history is the parent's and one more.
static bool extends_history(const ImageConfig& child, const ImageConfig& parent) {
  if (child.history.empty() && parent.history.empty()) return true;
  if (child.history.size() != parent.history.size() + 1) return false;
  return std::equal(
      parent.history.begin(), parent.history.end(), child.history.begin(),
      [](const std::string& a, const std::string& b) { return go_json::compact(a) == go_json::compact(b); });
}

void ImageLoader::link_parent(const ImageId& id, const ImageId& parent) {
  const auto config = read_image_config(metadata_.images().config(id));
  if (!extends_history(config, read_image_config(metadata_.images().config(parent))))
    throw Error(Errc::corrupt,
                "checking its parent " + parent.str() + ": its history does not begin with the parent's");
  metadata_.images().set_parent(id, parent);
}

// ---- archives of Docker 1.9 and before ----

// The image and those of its ancestors that are not in the store yet, oldest first.
std::vector<std::string> ImageLoader::missing_path(const V1Archive& archive, const std::string& id) const {
  std::vector<std::string> path;
  for (std::string at = id; !at.empty() && !converted_.contains(at); at = archive.images.at(at).parent)
    path.push_back(at);
  std::reverse(path.begin(), path.end());
  return path;
}

// All layers of the path at once; then each configuration, which needs the DiffIDs up to it.
void ImageLoader::load_path(const V1Archive& archive, const std::vector<std::string>& path) {
  const std::string& below = archive.images.at(path.front()).parent;
  Converted last{ImageId(Digest::of("")), std::nullopt, {}, {}};
  if (!below.empty()) last = converted_.at(below);
  if (last.diff_ids.size() + path.size() > kMaxLayers)
    throw Error(Errc::unsupported,
                "counting the layers: there are more than the " + std::to_string(kMaxLayers) + " engines take");
  std::vector<ArchiveLayer> layers;
  layers.reserve(path.size());
  for (const auto& id : path) layers.push_back(archive.images.at(id).layer);
  const auto records = register_layers(last.chain, layers);
  for (size_t i = 0; i < path.size(); ++i) {
    const V1Image& image = archive.images.at(path[i]);
    last.chain = records[i].chain;
    last.diff_ids.push_back(records[i].diff);
    last.history.push_back(history_from_v1(image.json));
    const ImageId id = store(config_from_v1(image.json, last.diff_ids, last.history));
    if (!image.parent.empty()) parents_.emplace_back(id, last.id);
    last.id = id;
    converted_.insert_or_assign(path[i], last);
  }
}

void ImageLoader::load_v1_tags(const V1Archive& archive) {
  for (const auto& [tag, v1_id] : archive.tags) {
    attempt(tag, [&, &name = tag, &id = v1_id] {
      const auto found = converted_.find(id);
      if (found == converted_.end())
        throw Error(Errc::not_found,
                    "naming the image: '" + printable(id, 80) + "' is not in the archive, or could not be loaded");
      add(found->second.id, {name});
    });
  }
  for (const auto& [tag, error] : archive.bad_tags) failed_.push_back({tag, error, Errc::invalid});
}

void ImageLoader::load(const V1Archive& archive) {
  std::set<std::string> leaves;
  for (const auto& [id, image] : archive.images) {
    if (image.error.empty())
      leaves.insert(id);
    else
      failed_.push_back({id, image.error, Errc::corrupt});
  }
  const auto usable = leaves;
  for (const auto& id : usable) leaves.erase(archive.images.at(id).parent);
  for (const auto& leaf : leaves) {
    const auto path = missing_path(archive, leaf);
    try {
      load_path(archive, path);
    } catch (const Error& e) {
      if (e.code() != Errc::corrupt && e.code() != Errc::invalid && e.code() != Errc::not_found) throw;
      // One by one, to lose only what needs the one that is damaged.
      for (const auto& id : missing_path(archive, leaf))
        if (!attempt(id, [&] { load_path(archive, {id}); })) break;
    }
    if (const auto done = converted_.find(leaf); done != converted_.end()) add(done->second.id, {});
  }
  load_v1_tags(archive);
}

// ---- the end ----

// Those that somebody has removed meanwhile get no name.
void ImageLoader::name_images() {
  const FileLock lock = layers_.exclusive();
  std::erase_if(
      names_, [&](const auto& name) { return !attempt(name.first, [&] { metadata_.images().config(name.second); }); });
  metadata_.references().update(names_, {});
}

LoadResult ImageLoader::finish() {
  for (const auto& [id, parent] : parents_)
    attempt(id.str(), [&, &child = id, &above = parent] { link_parent(child, above); });
  if (!names_.empty()) name_images();
  if (images_.empty() && !failed_.empty())
    throw Error(failed_.front().code,
                "image '" + printable(failed_.front().label) + "': " + failed_.front().error +
                    (failed_.size() > 1 ? " (and " + std::to_string(failed_.size() - 1) + " more)" : ""));
  return {std::move(images_), std::move(failed_)};
}

}  // namespace cairn
