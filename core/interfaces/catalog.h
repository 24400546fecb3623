// A root as people ask about it (images, tags, containers), whatever its layout: what `images`, `ps`, `scan` and `ls`
// show.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/interfaces/driver.h"
#include "core/interfaces/metadata_store.h"

namespace cairn {

struct CatalogHistory {
  std::string created, created_by, comment, author;
  int64_t size = 0;
  bool empty_layer = false;
};

struct CatalogImage {
  std::string id;  // "sha256:…" or a v1 id
  std::optional<std::string> parent;
  std::vector<std::string> tags;     // familiar "name:tag", sorted
  std::vector<std::string> digests;  // familiar "name@sha256:…", sorted
  std::string created;               // RFC 3339 as stored
  int64_t size = 0;                  // all layers
  bool has_children = false;         // another image names it as parent
  std::optional<LayerId> top;        // driver layer; none for an image without layers
  std::optional<ChainId> chain;
};

struct CatalogContainer {
  std::string id, name, image, image_name, command, created, status;  // name without leading '/'
  bool running = false;
  std::optional<LayerId> layer, init;  // driver layers, when there
  std::optional<LayerId> image_layer;
  std::vector<std::string> may_be_of{};  // images it may be made from, where `image` is not known
};

class Catalog {
 public:
  virtual ~Catalog() = default;
  virtual std::string layout() const = 0;  // "graph" or "content-addressed"
  virtual std::vector<CatalogImage> images(std::vector<Damage>* damage = nullptr) const = 0;
  virtual std::vector<CatalogContainer> containers(std::vector<Damage>* damage = nullptr) const = 0;
  virtual std::string image_config(const std::string& id) const = 0;             // exact bytes
  virtual std::vector<CatalogHistory> history(const std::string& id) const = 0;  // newest first
  virtual std::string container_config(const std::string& id) const = 0;
  virtual std::optional<std::string> container_host_config(const std::string& id) const = 0;
};

}  // namespace cairn
