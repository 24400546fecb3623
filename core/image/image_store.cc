#include "core/image/image_store.h"

#include <algorithm>
#include <functional>

#include "core/image/few_names.h"
#include "core/image/reference.h"
#include "core/json/go_struct.h"
#include "core/layer/layer_stack.h"
#include "core/util/error.h"
#include "core/util/ids.h"

namespace cairn {
namespace {

std::string_view hex_of(std::string_view id) { return id.substr(id.find(':') + 1); }

template <typename T>
const T* find_id(std::span<const T> things, std::string_view hex) {
  for (const T& thing : things)
    if (hex_of(thing.id) == hex) return &thing;
  return nullptr;
}

// The one whose ID begins with `hex`.
template <typename T>
const T* find_prefix(std::span<const T> things, const std::string& hex, const std::string& reference,
                     const std::function<std::string(const T&)>& name_of) {
  std::vector<const T*> found;
  for (const T& thing : things)
    if (hex_of(thing.id).starts_with(hex)) found.push_back(&thing);
  if (found.size() <= 1) return found.empty() ? nullptr : found.front();
  std::vector<std::string> names;
  names.reserve(found.size());
  for (const T* thing : found) names.push_back(name_of(*thing));
  throw Error(Errc::invalid,
              "looking for '" + printable(reference) + "': several IDs begin like this: " + few_names(names));
}

std::string short_name(const std::string& id, const std::string& name) {
  // Long enough to tell IDs apart that were found by a long beginning.
  return std::string(hex_of(id).substr(0, 20)) + (name.empty() ? "" : " (" + printable(name, 80) + ")");
}

std::optional<Reference> as_name(const std::string& text) {
  try {
    return parse_reference(text);
  } catch (const Error&) {
    return std::nullopt;  // not a name; it may be an ID
  }
}

const CatalogImage* find_named(std::span<const CatalogImage> images, const Reference& name) {
  const std::string familiar = name.familiar();
  for (const auto& image : images) {
    const auto& names = name.digest.empty() ? image.tags : image.digests;
    if (std::find(names.begin(), names.end(), familiar) != names.end()) return &image;
  }
  return nullptr;
}

// "; there is busybox:1" when only the tag is wrong.
std::string other_tags(std::span<const CatalogImage> images, const std::string& reference) {
  const auto name = as_name(reference);
  std::vector<std::string> found;
  for (const auto& image : images)
    for (const auto& tag : image.tags)
      if (name && tag.starts_with(name->repository() + ":")) found.push_back(tag);
  return found.empty() ? "" : "; there is " + few_names(found);
}

std::vector<std::string> raw_elements(const go_json::Member* member) {
  std::vector<std::string> out;
  if (member && go_json::kind_of(member->raw) != go_json::Kind::null)
    for (const auto raw : go_json::elements(member->raw)) out.emplace_back(raw);
  return out;
}

struct RootFs {
  std::string type;
  go_json::Strings diff_ids;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("type", self.type, go_json::Omit::never);
    visit("diff_ids", self.diff_ids, go_json::Omit::empty);
  }
};

struct HistoryEntry {
  bool empty_layer = false;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("empty_layer", self.empty_layer, go_json::Omit::empty);
  }
};

std::vector<DiffId> read_diff_ids(const std::vector<go_json::Member>& config) {
  const auto* member = go_json::find_field(config, "rootfs");
  if (!member || go_json::kind_of(member->raw) == go_json::Kind::null) throw Error(Errc::corrupt, "it has no rootfs");
  RootFs rootfs;
  go_json::decode(member->raw, rootfs);
  if (!rootfs.type.empty() && rootfs.type != "layers")
    throw Error(Errc::unsupported,
                "its rootfs is of type '" + printable(rootfs.type, 40) + "', only 'layers' is known");
  std::vector<DiffId> out;
  for (const auto& text : rootfs.diff_ids.value_or(std::vector<std::string>())) {
    const auto id = DiffId::parse(text);
    if (!id) throw Error(Errc::corrupt, "'" + printable(text, 80) + "' is not a DiffID");
    out.push_back(*id);
  }
  return out;
}

}  // namespace

const CatalogImage* find_image(std::span<const CatalogImage> images, const std::string& reference) {
  const auto prefix = id_prefix(reference);
  if (prefix && prefix->size() == 64) return find_id(images, *prefix);
  if (const auto name = as_name(reference))
    if (const auto* image = find_named(images, *name)) return image;
  if (!prefix) return nullptr;
  return find_prefix<CatalogImage>(images, *prefix, reference, [](const CatalogImage& image) {
    return short_name(image.id, image.tags.empty() ? "" : image.tags.front());
  });
}

const CatalogImage& resolve_image(std::span<const CatalogImage> images, const std::string& reference) {
  if (const auto* image = find_image(images, reference)) return *image;
  throw Error(Errc::not_found, "looking for image '" + printable(reference) + "': there is no such image" +
                                   other_tags(images, reference));
}

const CatalogContainer* find_container(std::span<const CatalogContainer> containers, const std::string& reference) {
  const auto prefix = id_prefix(reference);
  if (prefix && prefix->size() == 64)
    if (const auto* container = find_id(containers, *prefix)) return container;
  const std::string name = reference.substr(reference.starts_with('/') ? 1 : 0);
  for (const auto& container : containers)
    if (!name.empty() && container.name == name) return &container;
  if (!prefix) return nullptr;
  return find_prefix<CatalogContainer>(containers, *prefix, reference, [](const CatalogContainer& container) {
    return short_name(container.id, container.name);
  });
}

const CatalogContainer& resolve_container(std::span<const CatalogContainer> containers, const std::string& reference) {
  if (const auto* container = find_container(containers, reference)) return *container;
  throw Error(Errc::not_found, "looking for container '" + printable(reference) + "': there is no such container");
}

ImageConfig read_image_config(const std::string& config) {
  return while_doing([] { return std::string("reading an image's configuration"); },
                     [&] {
                       const auto members = go_json::members(config);
                       ImageConfig out;
                       out.diff_ids = read_diff_ids(members);
                       for (const auto& [name, into] :
                            {std::pair{"os", &out.os}, {"architecture", &out.architecture}, {"variant", &out.variant}})
                         if (const auto* member = go_json::find_field(members, name))
                           go_json::decode(member->raw, *into);
                       out.history = raw_elements(go_json::find_field(members, "history"));
                       const auto has_layer = [](const std::string& raw) {
                         return !go_json::read_struct<HistoryEntry>(raw).empty_layer;
                       };
                       const auto layers = std::count_if(out.history.begin(), out.history.end(), has_layer);
                       if (static_cast<size_t>(layers) > out.diff_ids.size())
                         throw Error(Errc::corrupt, "its history tells of " + std::to_string(layers) +
                                                        " layers, its rootfs has " +
                                                        std::to_string(out.diff_ids.size()));
                       return out;
                     });
}

std::optional<ChainId> top_chain(std::span<const DiffId> diff_ids) {
  std::optional<ChainId> chain;
  for (const auto& diff : diff_ids) chain = chain_id(chain, diff);
  return chain;
}

ImageId create_image(LayerStore& layers, MetadataStore& metadata, const std::string& config) {
  const auto chain = top_chain(read_image_config(config).diff_ids);
  const FileLock lock = layers.exclusive();
  if (!layer_stack(metadata.layers(), chain))
    throw Error(Errc::not_found, "storing an image: its top layer " + chain->str() +
                                     ", or one below it, is not in the store; was an image of it removed just now?");
  return metadata.images().put(config);
}

}  // namespace cairn
