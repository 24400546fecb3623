#include "core/image/image_uses.h"

#include <algorithm>

#include "core/image/image_store.h"
#include "core/image/reference.h"
#include "core/util/error.h"

namespace cairn {
namespace {

// Every chain of a stack of layers, the whole one first.
std::vector<ChainId> chains_of(const std::vector<DiffId>& diff_ids) {
  std::vector<ChainId> out;
  out.reserve(diff_ids.size());
  for (const auto& diff : diff_ids)
    out.push_back(chain_id(out.empty() ? std::nullopt : std::optional(out.back()), diff));
  std::reverse(out.begin(), out.end());
  return out;
}

// What Docker sorts references by: the name with its registry.
std::string full_name(const std::string& familiar) {
  try {
    const Reference reference = parse_reference(familiar);
    return reference.name() + familiar.substr(reference.repository().size());
  } catch (const Error&) {
    return familiar;
  }
}

}  // namespace

ImageUses::ImageUses(const Catalog& catalog, MetadataStore& metadata) : layers_(metadata.layers()) {
  std::vector<Damage> told_elsewhere;
  images_ = catalog.images(&told_elsewhere);
  for (const auto& image : images_) {
    names_[image.id];
    hold_layers(metadata, image, true);
  }
  add_unloadable(metadata);
  add_names(metadata);
  for (const auto& container : catalog.containers(&told_elsewhere)) {
    containers_.emplace(container.image, container);
    for (const auto& image : container.may_be_of) containers_.emplace(image, container);
  }
}

void ImageUses::hold_layers(MetadataStore& metadata, const CatalogImage& image, bool loadable) {
  auto& held = holds_[image.id];
  if (loadable) {
    if (image.chain) held.push_back(*image.chain);
  } else {
    try {
      held = chains_of(read_image_config(metadata.images().config(*ImageId::parse(image.id))).diff_ids);
    } catch (const Error& e) {
      // Of another kind than ours, it needs none of our layers; damaged, it may need any.
      if (e.code() != Errc::unsupported) unreadable_.insert(image.id);
    }
  }
  for (const auto& chain : held) layers_.add(chain);
}

void ImageUses::add_unloadable(MetadataStore& metadata) {
  for (const auto& id : metadata.images().list()) {
    if (has(id.str())) continue;
    CatalogImage image;
    image.id = id.str();
    names_[image.id];
    hold_layers(metadata, image, false);
    images_.push_back(std::move(image));
  }
}

void ImageUses::add_names(MetadataStore& metadata) {
  for (const auto& [repository, references] : metadata.references().all()) {
    for (const auto& [familiar, id] : references) {
      if (!has(id.str())) {
        CatalogImage lost;
        lost.id = id.str();
        images_.push_back(std::move(lost));
        lost_.insert(id.str());
      }
      names_[id.str()].push_back({familiar, repository, familiar.find('@') != std::string::npos});
    }
  }
  for (auto& [id, names] : names_)
    std::sort(names.begin(), names.end(),
              [](const Name& a, const Name& b) { return full_name(a.familiar) < full_name(b.familiar); });
  for (auto& image : images_) {
    image.tags.clear(), image.digests.clear();
    for (const auto& name : names_.at(image.id)) (name.digest ? image.digests : image.tags).push_back(name.familiar);
  }
}

const CatalogImage& ImageUses::find(const std::string& reference) const { return resolve_image(images_, reference); }

std::vector<std::string> ImageUses::children(const std::string& id) const {
  std::vector<std::string> out;
  for (const auto& image : images_)
    if (image.parent == id) out.push_back(image.id);
  return out;
}

const CatalogContainer* ImageUses::container(const std::string& id, bool running) const {
  const auto [first, last] = containers_.equal_range(id);
  const auto found = std::find_if(first, last, [&](const auto& one) { return one.second.running == running; });
  return found == last ? nullptr : &found->second;
}

std::string ImageUses::parent(const std::string& id) const {
  for (const auto& image : images_)
    if (image.id == id) return image.parent.value_or("");
  return "";
}

void ImageUses::untag(const std::string& id, const std::string& familiar) {
  std::erase_if(names_.at(id), [&](const Name& name) { return name.familiar == familiar; });
  for (auto& image : images_) {
    if (image.id != id) continue;
    std::erase(image.tags, familiar);
    std::erase(image.digests, familiar);
  }
}

bool ImageUses::names_digest(const std::string& digest) const {
  return std::any_of(names_.begin(), names_.end(), [&](const auto& image) {
    return std::any_of(image.second.begin(), image.second.end(),
                       [&](const Name& name) { return name.familiar.ends_with("@" + digest); });
  });
}

std::vector<LayerRecord> ImageUses::remove(const std::string& id) {
  std::erase_if(images_, [&](const CatalogImage& image) { return image.id == id; });
  for (auto& image : images_)
    if (image.parent == id) image.parent.reset();
  names_.erase(id);
  unreadable_.erase(id);
  std::vector<LayerRecord> out;
  for (const auto& chain : holds_[id]) {
    if (!unreadable_.empty()) break;  // they stay, and so do their uses
    for (auto& layer : layers_.release(chain)) out.push_back(std::move(layer));
  }
  holds_.erase(id);
  return out;
}

std::string ImageUses::layers_kept() const {
  if (!unreadable_.empty())
    return "image '" + *unreadable_.begin() + "' is damaged, and may need any of them; removing it first frees them";
  return layers_.unknown().empty() ? "" : layers_.unknown() + ", and may need any of them";
}

}  // namespace cairn
