// image/DRV/imagedb: image configurations by the hash of their bytes, and what engines note beside them.
#pragma once

#include "core/interfaces/metadata_store.h"
#include "graphdb/place.h"

namespace cairn {

class ImageDb : public ImageMetadata {
 public:
  explicit ImageDb(Place& place) : place_(place) {}

  std::vector<ImageId> list() const override;
  std::string config(const ImageId& id) const override;
  ImageId put(const std::string& config) override;  // Errc::invalid for nothing at all
  // Engines take the file's text as it stands; one that is no image ID names no image and counts as none.
  std::optional<ImageId> parent(const ImageId& id) const override;
  void set_parent(const ImageId& id, const ImageId& parent) override;  // `id` must be there and sound
  std::map<std::string, std::string> notes(const ImageId& id) const override;
  void put_note(const ImageId& id, const std::string& name, const std::string& content) override;
  void remove(const ImageId& id) override;  // its children then have no parent; absent is success

 private:
  void put_beside(const ImageId& id, const std::string& name, const std::string& content);
  std::string content(const std::string& hex) const { return place_.image("imagedb/content/sha256/" + hex); }
  std::string metadata(const std::string& hex) const { return place_.image("imagedb/metadata/sha256/" + hex); }
  Place& place_;
};

}  // namespace cairn
