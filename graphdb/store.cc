#include "graphdb/store.h"

#include "graphdb/containers/containers.h"
#include "graphdb/distribution/distribution.h"
#include "graphdb/imagedb/imagedb.h"
#include "graphdb/layerdb/layerdb.h"
#include "graphdb/place.h"
#include "graphdb/references/references.h"

namespace cairn {

class DiskMetadata : public MetadataStore {
 public:
  DiskMetadata(const std::filesystem::path& root, const std::string& driver)
      : place_(root, driver),
        layers_(place_),
        images_(place_),
        references_(place_),
        distribution_(place_),
        containers_(place_) {}

  LayerMetadata& layers() override { return layers_; }
  ImageMetadata& images() override { return images_; }
  References& references() override { return references_; }
  Distribution& distribution() override { return distribution_; }
  Containers& containers() override { return containers_; }
  void prepare() override { place_.make(); }
  int lock_fd() const override { return place_.layerdb_fd(); }

 private:
  Place place_;
  LayerDb layers_;
  ImageDb images_;
  RepositoriesFile references_;
  DistributionCache distribution_;
  ContainerFiles containers_;
};

std::unique_ptr<MetadataStore> open_metadata(const std::filesystem::path& root, const std::string& driver) {
  return std::make_unique<DiskMetadata>(root, driver);
}

}  // namespace cairn
