#include "cli/objects.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/exit.h"
#include "core/image/reference.h"

namespace cairn {

std::string Wanted::words() const {
  std::vector<std::string> kinds;
  if (images) kinds.emplace_back("image");
  if (containers) kinds.emplace_back("container");
  if (layers) kinds.emplace_back("layer");
  std::string out = kinds.front();
  for (size_t i = 1; i < kinds.size(); ++i) out += (i + 1 == kinds.size() ? " or " : ", ") + kinds[i];
  return out;
}

std::pair<std::string, std::string> split_object_path(const std::string& text) {
  const size_t colon = text.find(":/");
  if (colon == text.npos) return {text, "/"};
  return {text.substr(0, colon), text.substr(colon + 1)};
}

static std::string_view without_algorithm(std::string_view id) {
  static constexpr std::string_view algorithm = "sha256:";
  return id.starts_with(algorithm) ? id.substr(algorithm.size()) : id;
}

std::vector<std::string> familiar_names(const std::string& name) {
  // Roots of old engines have names that no grammar allows any more: what is written is tried first.
  std::vector<std::string> out{name, name + ":latest"};
  try {
    out.push_back(parse_reference(name).familiar());
  } catch (const Error& e) {
    if (e.code() != Errc::invalid) throw;
  }
  return out;
}

Objects::Objects(const Store& store)
    : store_(store), images_(store.catalog->images(&damage_)), containers_(store.catalog->containers(&damage_)) {}

Subject Objects::of(const LayerRecord& record, const std::string& name) const {
  Subject out;
  out.label = "layer '" + printable(name) + "'";
  out.chain = record.chain;
  out.layer = record.cache_id;
  if (record.parent) {
    const auto parent = store_.metadata->layers().find(*record.parent);
    if (!parent)
      throw Error(Errc::corrupt, "finding the parent of " + out.label + ": layer '" + record.parent->str() +
                                     "' is not in the store; its image has to be loaded again");
    out.below = parent->cache_id;
  }
  return out;
}

Subject Objects::of(const CatalogImage& image, const std::string& name) const {
  Subject out;
  if (image.chain) {
    const auto record = store_.metadata->layers().find(*image.chain);
    if (!record)
      throw Error(Errc::corrupt, "finding the layers of image '" + printable(name) + "': layer '" + image.chain->str() +
                                     "' is not in the store; the image has to be loaded again");
    out = of(*record, name);
  } else {
    out.layer = image.top;
    const auto parent = std::find_if(images_.begin(), images_.end(), [&](const CatalogImage& other) {
      return image.top && image.parent && other.id == *image.parent;
    });
    if (parent != images_.end()) out.below = parent->top;
  }
  out.kind = Subject::Kind::image;
  out.label = "image '" + printable(name) + "'";
  out.image = image;
  return out;
}

Subject Objects::of(const CatalogContainer& container, const std::string& name) const {
  Subject out;
  out.kind = Subject::Kind::container;
  out.label = "container '" + printable(name) + "'";
  out.container = container;
  out.layer = container.layer;
  out.below = container.init ? container.init : container.image_layer;
  return out;
}

std::optional<Subject> Objects::exact_layer(const std::string& name) const {
  const auto chain = Digest::parse(name).has_value() ? Digest::parse(name) : Digest::from_hex(name);
  if (chain)
    if (const auto record = store_.metadata->layers().find(ChainId(*chain))) return of(*record, name);
  if (!LayerId::valid(name) || !store_.driver->exists(LayerId(name))) return std::nullopt;
  for (const auto& record : store_.metadata->layers().list())
    if (record.cache_id == LayerId(name)) return of(record, name);
  Subject out;
  out.label = "layer '" + printable(name) + "'";
  out.layer = LayerId(name);
  out.below_known = false;
  return out;
}

std::optional<Subject> Objects::exact(const std::string& name, Wanted wanted) const {
  const auto has = [](const std::vector<std::string>& names, const std::string& one) {
    return std::binary_search(names.begin(), names.end(), one);
  };
  const std::string_view id = without_algorithm(name);
  if (wanted.images)
    for (const auto& image : images_)
      if (without_algorithm(image.id) == id) return of(image, name);
  if (wanted.images)
    for (const auto& wish : familiar_names(name))
      for (const auto& image : images_)
        if (has(image.tags, wish) || has(image.digests, wish)) return of(image, name);
  const std::string bare = name.starts_with('/') ? name.substr(1) : name;
  if (wanted.containers)
    for (const auto& container : containers_)
      if (container.name == bare || container.id == name) return of(container, name);
  return wanted.layers ? exact_layer(name) : std::nullopt;
}

std::vector<Subject> Objects::by_prefix(const std::string& name, Wanted wanted) const {
  const auto prefix = id_prefix(name);
  std::vector<Subject> found;
  if (!prefix) return found;
  const auto fits = [&](std::string_view id) { return without_algorithm(id).starts_with(*prefix); };
  if (wanted.images)
    for (const auto& image : images_)
      if (fits(image.id)) found.push_back(of(image, name));
  if (wanted.containers && prefix->size() == name.size())
    for (const auto& container : containers_)
      if (fits(container.id)) found.push_back(of(container, name));
  if (wanted.layers)
    for (const auto& record : store_.metadata->layers().list())
      if (fits(record.chain.hex())) found.push_back(of(record, name));
  return found;
}

Subject Objects::find(const std::string& name, Wanted wanted) const {
  if (name.empty() || name == "/")
    throw UserError(Errc::invalid, "finding the " + wanted.words() + " '': the name is empty");
  if (auto subject = exact(name, wanted)) return *std::move(subject);
  auto found = by_prefix(name, wanted);
  const std::string looking = "finding the " + wanted.words() + " '" + printable(name) + "'";
  if (found.size() > 1)
    throw UserError(Errc::invalid,
                    fmt::format("{}: the ids of {} things begin so; give more digits", looking, found.size()));
  if (found.empty())
    throw UserError(
        Errc::not_found,
        fmt::format("{}: there is none in '{}' (driver {}); 'cairn {}' lists what there is", looking,
                    printable(store_.root.string()), store_.driver_name, wanted.images ? "images -a" : "ps"));
  return std::move(found.front());
}

CatalogImage Objects::image(const std::string& name) const { return *find(name, {true, false, false}).image; }

Tree Objects::tree(const std::optional<LayerId>& layer) const { return layer ? store_.driver->tree(*layer) : Tree(); }

Tree Objects::tree(const Subject& subject) const {
  if (subject.kind == Subject::Kind::container && !subject.layer)
    throw Error(Errc::corrupt, "reading " + subject.label + ": its writable layer is not in the store");
  return while_doing([&] { return "reading " + subject.label; }, [&] { return tree(subject.layer); });
}

}  // namespace cairn
