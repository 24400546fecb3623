#include <algorithm>
#include <map>
#include <set>

#include "core/util/error.h"
#include "graphdb/catalog/catalog.h"
#include "graphdb/catalog/container_view.h"
#include "graphdb/catalog/image_config.h"
#include "graphdb/catalog/names.h"
#include "graphdb/place.h"
#include "graphdb/store.h"
#include "graphdb/util/files.h"
#include "graphdb/util/sizes.h"

namespace cairn {

namespace {

// All loadable layers with the size of everything up to them.
struct Layers {
  std::map<ChainId, LayerRecord> records;
  std::map<ChainId, int64_t> total;

  explicit Layers(const std::vector<LayerRecord>& list) {
    for (const auto& record : list) records.emplace(record.chain, record);
    for (const auto& record : list) add_up(record.chain);
  }
  const LayerRecord* find(const std::optional<ChainId>& chain) const {
    const auto it = chain ? records.find(*chain) : records.end();
    return it == records.end() ? nullptr : &it->second;
  }

 private:
  void add_up(const ChainId& chain) {
    std::vector<const LayerRecord*> path;
    int64_t sum = 0;
    for (const LayerRecord* at = find(chain); at != nullptr; at = find(at->parent)) {
      if (const auto known = total.find(at->chain); known != total.end()) {
        sum = known->second;
        break;
      }
      path.push_back(at);
    }
    for (auto it = path.rbegin(); it != path.rend(); ++it) total[(*it)->chain] = sum = add_sizes(sum, (*it)->size);
  }
};

void note(std::vector<Damage>* damage, std::string kind, std::string object, std::string detail) {
  if (damage != nullptr) damage->push_back({std::move(kind), std::move(object), std::move(detail)});
}

class ContentCatalog : public Catalog {
 public:
  ContentCatalog(const std::filesystem::path& root, const std::string& driver)
      : place_(root, driver), store_(open_metadata(root, driver)) {}

  std::string layout() const override { return "content-addressed"; }
  std::vector<CatalogImage> images(std::vector<Damage>* damage) const override;
  std::vector<CatalogContainer> containers(std::vector<Damage>* damage) const override;
  std::string image_config(const std::string& id) const override { return store_->images().config(parse_id(id)); }
  std::vector<CatalogHistory> history(const std::string& id) const override;
  std::string container_config(const std::string& id) const override { return store_->containers().config(id); }
  std::optional<std::string> container_host_config(const std::string& id) const override {
    return store_->containers().host_config(id);
  }

 private:
  static ImageId parse_id(const std::string& id) {
    const auto parsed = ImageId::parse(id.starts_with("sha256:") ? id : "sha256:" + id);
    if (!parsed) throw Error(Errc::not_found, "looking for image '" + printable(id, 80) + "': that is no image ID");
    return *parsed;
  }
  // Names of images outside `images`, when given, are damage and left out.
  ImageNames names(const std::set<std::string>* images, std::vector<Damage>* damage) const;
  std::optional<CatalogImage> image(const ImageId& id, const Layers& layers, std::vector<Damage>* damage) const;
  std::optional<CatalogContainer> container(const std::string& id, const ImageNames& names,
                                            std::vector<Damage>* damage) const;
  void attach_layers(CatalogContainer& container, const Layers& layers, std::vector<Damage>* damage) const;
  std::map<ChainId, std::vector<std::string>> images_by_chain(const Layers& layers) const;
  std::vector<CatalogContainer> writable_layers(const std::set<std::string>& containers, const Layers& layers,
                                                const ImageNames& names, std::vector<Damage>* damage) const;

  Place place_;
  std::unique_ptr<MetadataStore> store_;
};

ImageNames ContentCatalog::names(const std::set<std::string>* images, std::vector<Damage>* damage) const {
  ImageNames out;
  try {
    for (const auto& [repository, references] : store_->references().all())
      for (const auto& [reference, id] : references) {
        if (images == nullptr || images->contains(id.str()))
          out.add(id.str(), reference);
        else
          note(damage, "reference-dangling", printable(reference), "its image " + id.str() + " is not there");
      }
  } catch (const Error& e) {
    if (damage == nullptr) throw;
    note(damage, "repositories-invalid", place_.image("repositories.json"), e.what());
  }
  out.sort();
  return out;
}

std::optional<CatalogImage> ContentCatalog::image(const ImageId& id, const Layers& layers,
                                                  std::vector<Damage>* damage) const {
  CatalogImage out;
  out.id = id.str();
  const char* kind = "image-hash-mismatch";
  try {
    const std::string text = store_->images().config(id);
    kind = "image-config-invalid";
    const CatalogImageConfig config = parse_image_config(text, out.id);
    out.created = config.created;
    out.chain = config.chain();
  } catch (const Error& e) {
    if (e.code() != Errc::corrupt && (damage == nullptr || e.code() != Errc::io)) throw;
    note(damage, kind, out.id, e.what());
    return std::nullopt;
  }
  const LayerRecord* top = layers.find(out.chain);
  if (out.chain && top == nullptr) {
    note(damage, "image-layer-missing", out.id, "its layer " + out.chain->str() + " is not there or cannot be loaded");
    return std::nullopt;
  }
  if (top != nullptr) {
    out.top = top->cache_id;
    out.size = layers.total.at(top->chain);
  }
  if (const auto parent = store_->images().parent(id)) out.parent = parent->str();
  return out;
}

std::vector<CatalogImage> ContentCatalog::images(std::vector<Damage>* damage) const {
  const Layers layers(store_->layers().list(damage));
  std::vector<CatalogImage> out;
  std::set<std::string> ids, parents;
  for (const auto& id : store_->images().list()) {
    auto found = image(id, layers, damage);
    if (!found) continue;
    ids.insert(found->id);
    if (found->parent) parents.insert(*found->parent);
    out.push_back(std::move(*found));
  }
  const ImageNames known = names(&ids, damage);
  for (auto& one : out) {
    one.tags = known.tags(one.id);
    one.digests = known.digests(one.id);
    one.has_children = parents.contains(one.id);
  }
  return out;
}

std::vector<CatalogHistory> ContentCatalog::history(const std::string& id) const {
  const std::string text = image_config(id);
  CatalogImageConfig config = parse_image_config(text, id);
  const LayerMetadata& layers = store_->layers();
  std::optional<ChainId> chain;
  auto diff = config.diff_ids.begin();
  for (auto& step : config.history) {
    if (step.empty_layer) continue;
    chain = chain_id(chain, *diff++);
    if (const auto record = layers.find(*chain)) step.size = record->size;
  }
  std::reverse(config.history.begin(), config.history.end());
  return std::move(config.history);
}

// nullopt for what an engine does not take for a container of this driver.
std::optional<CatalogContainer> ContentCatalog::container(const std::string& id, const ImageNames& names,
                                                          std::vector<Damage>* damage) const {
  try {
    const auto text = try_read_regular_at(place_.root_fd(), "containers/" + id + "/config.v2.json");
    if (!text) return std::nullopt;  // of 1.9 or earlier
    const JsonObject config(*text, "containers/" + id + "/config.v2.json");
    const std::string driver = config.string("Driver");
    if ((driver.empty() ? "aufs" : driver) != place_.driver()) return std::nullopt;
    if (config.string("ID") != id) {
      note(damage, "container-id-mismatch", id,
           "its configuration says ID '" + printable(config.string("ID"), 80) + "'");
      return std::nullopt;
    }
    if (!config.object("Config")) note(damage, "container-config-invalid", id, "its configuration has no \"Config\"");
    CatalogContainer out = view_container(id, config);
    out.image_name = names.shown(out.image, made_from(config));
    return out;
  } catch (const Error& e) {
    if (e.code() != Errc::corrupt) throw;
    note(damage, "container-config-invalid", id, e.what());
    return std::nullopt;
  }
}

void ContentCatalog::attach_layers(CatalogContainer& container, const Layers& layers,
                                   std::vector<Damage>* damage) const {
  try {
    const auto mount = store_->layers().find_mount(container.id);
    if (!mount) return note(damage, "container-mount-missing", container.id, "it has no writable layer");
    container.layer = mount->mount_id;
    container.init = mount->init_id;
    const LayerRecord* below = layers.find(mount->parent);
    if (below != nullptr)
      container.image_layer = below->cache_id;
    else if (mount->parent)
      note(damage, "container-layer-missing", container.id,
           "its image's layer " + mount->parent->str() + " is not there");
  } catch (const Error& e) {
    if (e.code() != Errc::corrupt) throw;
    note(damage, "container-mount-missing", container.id, e.what());
  }
}

std::map<ChainId, std::vector<std::string>> ContentCatalog::images_by_chain(const Layers& layers) const {
  std::map<ChainId, std::vector<std::string>> out;
  for (const auto& id : store_->images().list())
    if (const auto found = image(id, layers, nullptr); found && found->chain) out[*found->chain].push_back(found->id);
  return out;
}

// A writable layer without a container: somebody made it to mount it.
static CatalogContainer view_mount(const MountRecord& mount, const Layers& layers) {
  CatalogContainer out;
  out.id = mount.mount_id.str();
  if (mount.name != out.id) out.name = mount.name;
  out.status = "Created";
  out.layer = mount.mount_id;
  out.init = mount.init_id;
  if (mount.image) out.image = mount.image->str();
  if (const LayerRecord* below = layers.find(mount.parent)) out.image_layer = below->cache_id;
  return out;
}

// Those that no container has.
std::vector<CatalogContainer> ContentCatalog::writable_layers(const std::set<std::string>& containers,
                                                              const Layers& layers, const ImageNames& names,
                                                              std::vector<Damage>* damage) const {
  std::vector<CatalogContainer> out;
  std::optional<std::map<ChainId, std::vector<std::string>>> image_of;
  std::vector<Damage> bad_mounts;  // of those with a container it is told already
  for (const auto& mount : store_->layers().mounts(&bad_mounts)) {
    if (containers.contains(mount.name)) continue;
    CatalogContainer one = view_mount(mount, layers);
    if (!mount.image && mount.parent) {  // on a layer, or made before images were noted
      if (!image_of) image_of = images_by_chain(layers);
      if (const auto found = image_of->find(*mount.parent); found != image_of->end()) one.may_be_of = found->second;
      if (one.may_be_of.size() == 1) one.image = one.may_be_of[0], one.may_be_of.clear();
    }
    if (!one.image.empty()) one.image_name = names.shown(one.image, "");
    out.push_back(std::move(one));
  }
  for (const auto& one : bad_mounts)
    if (!containers.contains(one.object)) note(damage, one.kind, one.object, one.detail);
  return out;
}

std::vector<CatalogContainer> ContentCatalog::containers(std::vector<Damage>* damage) const {
  std::vector<CatalogContainer> out;
  const Layers layers(store_->layers().list(nullptr));
  std::vector<Damage> told_by_images;
  const ImageNames known = names(nullptr, damage == nullptr ? nullptr : &told_by_images);
  std::set<std::string> directories;
  for (const auto& id : store_->containers().list()) {
    directories.insert(id);
    auto one = container(id, known, damage);
    if (!one) continue;
    attach_layers(*one, layers, damage);
    out.push_back(std::move(*one));
  }
  for (auto& one : writable_layers(directories, layers, known, damage)) out.push_back(std::move(one));
  return out;
}

}  // namespace

std::unique_ptr<Catalog> open_catalog(const std::filesystem::path& root, const std::string& driver) {
  return std::make_unique<ContentCatalog>(root, driver);
}

}  // namespace cairn
