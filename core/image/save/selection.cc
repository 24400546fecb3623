#include "core/image/save/selection.h"

#include <algorithm>
#include <map>
#include <optional>

#include "core/image/image_store.h"
#include "core/image/reference.h"
#include "core/util/error.h"

namespace cairn {
namespace {

class Choice {
 public:
  void add(const CatalogImage& image, const std::string& tag = "") {
    const auto id = ImageId::parse(image.id);
    if (!id)
      throw Error(Errc::unsupported, "choosing image '" + printable(image.id) + "': it is of Docker 1.9 or before");
    const auto [place, fresh] = places_.emplace(*id, chosen_.size());
    if (fresh) chosen_.push_back({*id, {}});
    auto& tags = chosen_[place->second].tags;
    if (!tag.empty() && std::find(tags.begin(), tags.end(), tag) == tags.end()) tags.push_back(tag);
  }
  std::vector<ChosenImage> take() { return std::move(chosen_); }

 private:
  std::vector<ChosenImage> chosen_;
  std::map<ImageId, size_t> places_;
};

std::optional<Reference> as_reference(const std::string& text) {
  try {
    return parse_repository(text);
  } catch (const Error&) {
    return std::nullopt;  // no name; maybe an ID
  }
}

// False if no image has a name in that repository.
bool add_repository(std::span<const CatalogImage> images, const Reference& repository, Choice& choice) {
  std::map<std::string, const CatalogImage*> named;  // tags and digests, sorted as engines list them
  const std::string tag = repository.repository() + ":", digest = repository.repository() + "@";
  for (const auto& image : images)
    for (const auto* names : {&image.tags, &image.digests})
      for (const auto& name : *names)
        if ((name.starts_with(tag) && name.find('/', tag.size()) == name.npos) || name.starts_with(digest))
          named.emplace(name, &image);
  for (const auto& [name, image] : named) choice.add(*image, name.starts_with(digest) ? "" : name);
  return !named.empty();
}

void add(std::span<const CatalogImage> images, const std::string& text, Choice& choice) {
  const auto prefix = id_prefix(text);
  const auto reference = prefix && prefix->size() == 64 ? std::nullopt : as_reference(text);
  if (reference && reference->tag.empty() && reference->digest.empty() && add_repository(images, *reference, choice))
    return;
  const CatalogImage& image = resolve_image(images, text);
  const std::string name = reference ? reference->familiar() : "";
  const bool is_tag = reference && reference->digest.empty() &&
                      std::find(image.tags.begin(), image.tags.end(), name) != image.tags.end();
  choice.add(image, is_tag ? name : "");
}

}  // namespace

std::vector<ChosenImage> choose_images(std::span<const CatalogImage> images, std::span<const std::string> references) {
  Choice choice;
  for (const auto& reference : references) add(images, reference, choice);
  return choice.take();
}

}  // namespace cairn
