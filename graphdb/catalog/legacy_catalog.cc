#include <set>

#include "core/image/reference.h"
#include "core/util/error.h"
#include "graphdb/catalog/catalog.h"
#include "graphdb/catalog/container_view.h"
#include "graphdb/catalog/names.h"
#include "graphdb/driver_layers.h"
#include "graphdb/legacy/legacy_graph.h"
#include "graphdb/util/sizes.h"

namespace cairn {

namespace {

class LegacyCatalog : public Catalog {
 public:
  LegacyCatalog(const std::filesystem::path& root, const std::string& driver)
      : graph_(open_legacy(root, driver)), layers_(graph_->root_fd(), driver) {
    for (const auto& [repository, tags] : graph_->repositories()) {
      for (const auto& [tag, id] : tags) {
        const std::string name = reference_from_v1(repository, tag).familiar;
        names_.add(id, !name.empty() ? name : repository + (is_digest(tag) ? "@" : ":") + tag);
      }
    }
    names_.sort();
  }

  std::string layout() const override { return "graph"; }
  std::vector<CatalogImage> images(std::vector<Damage>* damage) const override;
  std::vector<CatalogContainer> containers(std::vector<Damage>* damage) const override;
  std::string image_config(const std::string& id) const override { return find(id).json; }
  std::vector<CatalogHistory> history(const std::string& id) const override;
  std::string container_config(const std::string& id) const override { return container(id).config; }
  std::optional<std::string> container_host_config(const std::string& id) const override {
    return container(id).host_config;
  }

 private:
  const LegacyContainer& container(const std::string& id) const {
    for (const auto& container : graph_->containers())
      if (container.id == id) return container;
    throw Error(Errc::not_found, "looking for container '" + printable(id, 80) + "': there is no such container");
  }
  const LegacyImage& find(const std::string& id) const {
    const LegacyImage* image = graph_->image(id);
    if (image == nullptr)
      throw Error(Errc::not_found, "looking for image '" + printable(id, 80) + "': there is no such image");
    return *image;
  }
  // `id` and its parents; only for images without an error, whose chain is known to end.
  std::vector<const LegacyImage*> chain(const LegacyImage& image) const {
    std::vector<const LegacyImage*> out;
    for (const LegacyImage* at = &image; at != nullptr; at = at->parent ? graph_->image(*at->parent) : nullptr)
      out.push_back(at);
    return out;
  }
  void append_damage(std::vector<Damage>* damage, bool of_containers) const {
    if (damage == nullptr) return;
    for (const auto& one : graph_->damage()) {
      const bool container = one.kind.starts_with("container-") || one.kind.starts_with("link");
      if (container == of_containers) damage->push_back(one);
    }
  }

  std::unique_ptr<LegacyGraph> graph_;
  DriverLayers layers_;
  ImageNames names_;
};

std::vector<CatalogImage> LegacyCatalog::images(std::vector<Damage>* damage) const {
  append_damage(damage, false);
  std::set<std::string> parents;
  for (const auto& image : graph_->images())
    if (image.error.empty() && image.parent) parents.insert(*image.parent);
  std::vector<CatalogImage> out;
  for (const auto& image : graph_->images()) {
    if (!image.error.empty()) continue;
    CatalogImage one;
    one.id = image.id;
    one.parent = image.parent;
    one.tags = names_.tags(image.id);
    one.digests = names_.digests(image.id);
    one.created = JsonObject(image.json, image.id).string("created");
    for (const auto* layer : chain(image)) one.size = add_sizes(one.size, layer->layer_size.value_or(0));
    one.has_children = parents.contains(image.id);
    one.top = LayerId(image.id);
    out.push_back(std::move(one));
  }
  return out;
}

std::vector<CatalogHistory> LegacyCatalog::history(const std::string& id) const {
  const LegacyImage& image = find(id);
  if (!image.error.empty()) throw Error(Errc::corrupt, "reading the history of image '" + id + "': " + image.error);
  std::vector<CatalogHistory> out;
  for (const auto* layer : chain(image)) {
    const JsonObject json(layer->json, layer->id);
    const auto made_by = json.object("container_config");
    out.push_back({json.string("created"), made_by ? made_by->words("Cmd") : "", json.string("comment"),
                   json.string("author"), layer->layer_size.value_or(0), false});
  }
  return out;
}

std::vector<CatalogContainer> LegacyCatalog::containers(std::vector<Damage>* damage) const {
  append_damage(damage, true);
  std::vector<CatalogContainer> out;
  for (const auto& container : graph_->containers()) {
    if ((container.driver.empty() ? "aufs" : container.driver) != graph_->driver()) continue;
    try {
      const JsonObject config(container.config, container.id);
      CatalogContainer one = view_container(container.id, config);
      one.name = container.name.starts_with("/") ? container.name.substr(1) : container.name;
      one.image_name = names_.shown(one.image, made_from(config));
      if (layers_.has(container.id)) one.layer = LayerId(container.id);
      if (layers_.has(container.id + "-init")) one.init = LayerId(container.id + "-init");
      if (const auto* image = graph_->image(container.image); image != nullptr && image->error.empty())
        one.image_layer = LayerId(image->id);
      out.push_back(std::move(one));
    } catch (const Error& e) {
      if (e.code() != Errc::corrupt) throw;  // its configuration: among the graph's damage already
    }
  }
  return out;
}

}  // namespace

std::unique_ptr<Catalog> open_legacy_catalog(const std::filesystem::path& root, const std::string& driver) {
  return std::make_unique<LegacyCatalog>(root, driver);
}

}  // namespace cairn
