// image/DRV/distribution/manifests and manifests-by-image: cairn's own, beside the caches of the engine, which looks at
// neither.
#pragma once

#include "core/interfaces/metadata_store.h"
#include "graphdb/place.h"

namespace cairn {

class ManifestFiles : public Manifests {
 public:
  explicit ManifestFiles(Place& place) : place_(place) {}

  Digest put(const std::string& bytes, const std::optional<ImageId>& image) override;
  std::optional<std::string> find(const Digest& digest) const override;
  std::vector<Digest> of(const ImageId& image) const override;
  void remove(const ImageId& image) override;
  void remove(const Digest& index) override;

 private:
  std::string file_of(const Digest& digest) const;
  std::string file_of(const ImageId& image) const;
  void unlink(const std::string& file);
  Place& place_;
};

}  // namespace cairn
