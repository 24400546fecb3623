// What people call an image, a container or a layer, and what that is in the store.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/store.h"
#include "core/archive/tree.h"

namespace cairn {

struct Subject {
  enum class Kind { image, container, layer } kind = Kind::layer;
  std::string label;                  // "image 'busybox'", for messages
  std::optional<CatalogImage> image;  // those of its kind only
  std::optional<CatalogContainer> container;
  std::optional<ChainId> chain;  // of an image's top layer, or the layer itself; content-addressed only
  std::optional<LayerId> layer;  // holds the merged tree; none for an image without layers
  std::optional<LayerId> below;  // what its changes are relative to; none for a base layer
  bool below_known = true;       // false for a driver layer no metadata mentions
};

struct Wanted {
  bool images = true, containers = true, layers = true;
  std::string words() const;  // "image, container or layer"
};

class Objects {
 public:
  explicit Objects(const Store& store);

  // By name[:tag][@digest], container name, id, chain id, cache-id, or a prefix of an id that fits one thing only.
  // Throws UserError when nothing or several things fit.
  Subject find(const std::string& name, Wanted wanted = {}) const;
  CatalogImage image(const std::string& name) const;

  const std::vector<CatalogImage>& images() const { return images_; }
  const std::vector<CatalogContainer>& containers() const { return containers_; }
  const std::vector<Damage>& damage() const { return damage_; }

  // The merged tree; an empty one for an image without layers. Errc::corrupt for a container whose layer is lost.
  Tree tree(const Subject& subject) const;
  Tree tree(const std::optional<LayerId>& layer) const;

 private:
  std::optional<Subject> exact(const std::string& name, Wanted wanted) const;
  std::optional<Subject> exact_layer(const std::string& name) const;
  std::vector<Subject> by_prefix(const std::string& name, Wanted wanted) const;
  Subject of(const CatalogImage& image, const std::string& name) const;
  Subject of(const CatalogContainer& container, const std::string& name) const;
  Subject of(const LayerRecord& record, const std::string& name) const;

  const Store& store_;
  std::vector<Damage> damage_;
  std::vector<CatalogImage> images_;
  std::vector<CatalogContainer> containers_;
};

// Names to look for in a catalog when a user wrote `name`: as written, with ":latest", and in the familiar form.
std::vector<std::string> familiar_names(const std::string& name);

// "X:PATH" of ls, cat and cp: PATH begins at the first ":/". Without one PATH is "/".
std::pair<std::string, std::string> split_object_path(const std::string& text);

}  // namespace cairn
