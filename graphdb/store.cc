#include "graphdb/store.h"

#include "core/util/replace_file.h"
#include "graphdb/containers/containers.h"
#include "graphdb/distribution/distribution.h"
#include "graphdb/imagedb/imagedb.h"
#include "graphdb/layerdb/layerdb.h"
#include "graphdb/manifests/manifests.h"
#include "graphdb/place.h"
#include "graphdb/references/references.h"
#include "graphdb/util/files.h"

namespace cairn {

class DiskMetadata : public MetadataStore {
 public:
  DiskMetadata(const std::filesystem::path& root, const std::string& driver)
      : place_(root, driver),
        layers_(place_),
        images_(place_),
        references_(place_),
        distribution_(place_),
        manifests_(place_),
        containers_(place_) {}

  LayerMetadata& layers() override { return layers_; }
  ImageMetadata& images() override { return images_; }
  References& references() override { return references_; }
  Distribution& distribution() override { return distribution_; }
  Manifests& manifests() override { return manifests_; }
  Containers& containers() override { return containers_; }
  void prepare() override {
    place_.make();
    remove_abandoned();
  }
  int lock_fd() const override { return place_.layerdb_fd(); }

 private:
  // In every directory where files are replaced; images' parents are only ever added.
  void remove_abandoned() {
    const auto sweep = [&](const std::string& path) {
      if (const auto dir = place_.try_dir(path)) remove_abandoned_files(dir->get());
    };
    for (const char* below : {"", "imagedb/content/sha256", "distribution/diffid-by-digest/sha256",
                              "distribution/v2metadata-by-diffid/sha256", "distribution/manifests/sha256",
                              "distribution/manifests-by-image/sha256"})
      sweep(place_.image(below));
    sweep(".");
    containers_.remove_abandoned();
  }

  Place place_;
  LayerDb layers_;
  ImageDb images_;
  RepositoriesFile references_;
  DistributionCache distribution_;
  ManifestFiles manifests_;
  ContainerFiles containers_;
};

std::unique_ptr<MetadataStore> open_metadata(const std::filesystem::path& root, const std::string& driver) {
  return std::make_unique<DiskMetadata>(root, driver);
}

static bool is_driver_dir(int dir_fd) { return exists_at(dir_fd, "imagedb") || exists_at(dir_fd, "layerdb"); }

std::vector<std::string> content_drivers(const std::filesystem::path& root) {
  std::vector<std::string> out;
  const auto image = try_open_dir(AT_FDCWD, (root / "image").string());
  if (!image) return out;
  for (const auto& name : list_dir(image->get())) {
    const auto st = stat_at(image->get(), name);
    if (!st || !S_ISDIR(st->st_mode)) continue;
    const Fd dir = open_dir_at(image->get(), name);
    if (is_driver_dir(dir.get())) {
      if (valid_driver_name(name)) out.push_back(name);
      continue;
    }
    for (const auto& plugin : list_dir(dir.get())) {
      const auto inner = stat_at(dir.get(), plugin);
      if (inner && S_ISDIR(inner->st_mode) && is_driver_dir(open_dir_at(dir.get(), plugin).get()) &&
          valid_driver_name(name + "/" + plugin))
        out.push_back(name + "/" + plugin);
    }
  }
  return out;
}

}  // namespace cairn
