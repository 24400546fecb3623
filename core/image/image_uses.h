// The images of a store, what they are called, and what keeps each of them: names, containers, children.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "core/interfaces/catalog.h"
#include "core/interfaces/metadata_store.h"
#include "core/layer/layer_uses.h"

namespace cairn {

// As read when it is made; whoever changes the store says so here, too, and holds the publish lock meanwhile.
class ImageUses {
 public:
  ImageUses(const Catalog& catalog, MetadataStore& metadata);

  // Images that no engine loads, and names that lead to none, are images here, too: they can be removed.
  const CatalogImage& find(const std::string& reference) const;  // see resolve_image()
  bool has(const std::string& id) const { return names_.contains(id); }
  bool lost(const std::string& id) const { return lost_.contains(id); }  // there are only names of it

  struct Name {
    std::string familiar;    // "busybox:1", "busybox@sha256:…"
    std::string repository;  // "busybox"
    bool digest = false;
  };
  const std::vector<Name>& names(const std::string& id) const { return names_.at(id); }  // as Docker orders them
  std::vector<std::string> children(const std::string& id) const;
  const CatalogContainer* container(const std::string& id, bool running) const;  // one that uses the image
  std::string parent(const std::string& id) const;                               // "" for none

  void untag(const std::string& id, const std::string& familiar);
  bool names_digest(const std::string& digest) const;  // some reference does

  // The image is gone. Returns the layers that nothing needs any more, children first.
  std::vector<LayerRecord> remove(const std::string& id);
  // Why layers stay that nothing known needs; "" if there is no reason.
  std::string layers_kept() const;

 private:
  void add_unloadable(MetadataStore& metadata);
  void add_names(MetadataStore& metadata);
  void hold_layers(MetadataStore& metadata, const CatalogImage& image, bool loadable);

  std::vector<CatalogImage> images_;
  std::map<std::string, std::vector<Name>> names_;     // of every image, by ID
  std::map<std::string, std::vector<ChainId>> holds_;  // layers it keeps by itself, children first
  std::multimap<std::string, CatalogContainer> containers_;
  std::set<std::string> lost_, unreadable_;  // unreadable ones may need any layer
  LayerUses layers_;
};

}  // namespace cairn
