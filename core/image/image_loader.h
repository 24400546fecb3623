// Puts the images of one archive into the store. What is wrong with one image is recorded and stops that image only.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "core/image/load.h"
#include "core/image/sources/archive.h"
#include "core/image/sources/v1_archive.h"

namespace cairn {

class ImageLoader {
 public:
  ImageLoader(Archive& archive, LayerStore& layers, MetadataStore& metadata, Progress& progress)
      : archive_(archive), layers_(layers), metadata_(metadata), progress_(progress) {}

  void load(const ArchiveItem& item);
  void load(const V1Archive& archive);
  LoadResult finish();  // parents and names; throws when nothing was loaded

 private:
  struct Converted {  // an image of V1Archive that is in the store
    ImageId id;
    std::optional<ChainId> chain;
    std::vector<DiffId> diff_ids;
    std::vector<std::string> history;
  };

  template <typename Body>
  bool attempt(const std::string& label, Body&& body);
  std::vector<LayerRecord> register_layers(const std::optional<ChainId>& base, const std::vector<ArchiveLayer>& layers);
  void require_layers(const std::vector<ArchiveLayer>& layers);
  ImageId store(const std::string& config);
  void add(const ImageId& id, const std::vector<std::string>& tags);
  void name_images();
  void link_parent(const ImageId& id, const ImageId& parent);

  std::vector<std::string> missing_path(const V1Archive& archive, const std::string& id) const;
  void load_path(const V1Archive& archive, const std::vector<std::string>& path);
  void load_v1_tags(const V1Archive& archive);

  Archive& archive_;
  LayerStore& layers_;
  MetadataStore& metadata_;
  Progress& progress_;
  std::vector<LoadedImage> images_;
  std::map<ImageId, size_t> places_;  // in images_
  std::map<std::string, ImageId> names_;
  std::vector<std::pair<ImageId, ImageId>> parents_;
  std::map<std::string, Converted> converted_;
  std::vector<FailedImage> failed_;
  uint64_t announced_bytes_ = 0, announced_layers_ = 0;
};

}  // namespace cairn
