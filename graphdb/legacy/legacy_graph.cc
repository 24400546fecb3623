#include "graphdb/legacy/legacy_graph.h"

#include <algorithm>

#include "core/archive/compression.h"
#include "core/util/error.h"
#include "graphdb/driver_layers.h"
#include "graphdb/legacy/containers.h"
#include "graphdb/legacy/drivers.h"
#include "graphdb/legacy/images.h"
#include "graphdb/references/references.h"
#include "graphdb/util/files.h"

namespace cairn {

class DiskLegacyGraph : public LegacyGraph {
 public:
  DiskLegacyGraph(const std::filesystem::path& root, const std::string& driver)
      : root_(open_dir(root.string())), driver_(driver) {
    if (!valid_name(driver))
      throw Error(Errc::invalid, "opening the graph of driver '" + printable(driver) + "': that is no driver's name");
    const DriverLayers layers(root_.get(), driver);
    std::vector<DriverLayers> others;
    for (const auto& name : visible_legacy_drivers())
      if (name != driver) others.emplace_back(root_.get(), name);
    images_ = read_legacy_images(root_.get(), layers, others, damage_);
    read_repositories();
    containers_ = read_legacy_containers(
        root_.get(), driver, layers, [this](const std::string& id) { return image(id); }, damage_);
  }

  std::string driver() const override { return driver_; }
  const std::vector<LegacyImage>& images() const override { return images_; }
  const LegacyImage* image(const std::string& id) const override {
    const auto it = std::lower_bound(images_.begin(), images_.end(), id,
                                     [](const LegacyImage& image, const std::string& key) { return image.id < key; });
    return it != images_.end() && it->id == id ? &*it : nullptr;
  }
  std::unique_ptr<ByteSource> open_raw_tar_split(const std::string& id) const override {
    if (image(id) == nullptr)
      throw Error(Errc::not_found, "reading the tar-split record of image '" + printable(id, 80) + "': no such image");
    const Fd graph = open_dir_at(root_.get(), "graph");
    return read_from(open_regular_at(graph.get(), id + "/" + tar_split_file(graph.get(), id)));
  }
  std::unique_ptr<ByteSource> open_tar_split(const std::string& id) const override {
    return decompress(open_raw_tar_split(id));
  }
  const std::map<std::string, std::map<std::string, std::string>>& repositories() const override {
    return repositories_;
  }
  const std::vector<LegacyContainer>& containers() const override { return containers_; }
  const std::vector<Damage>& damage() const override { return damage_; }
  int root_fd() const override { return root_.get(); }

 private:
  void note(const std::string& kind, const std::string& object, const std::string& detail) {
    damage_.push_back({kind, object, detail});
  }

  void read_repositories() {
    std::string file = "repositories-" + driver_;
    // 0.7 renames it when it first starts with aufs.
    if (driver_ == "aufs" && !exists_at(root_.get(), file)) file = "repositories";
    try {
      const auto text = try_read_regular_at(root_.get(), file, 64u << 20);
      if (!text) return;
      repositories_ = whole_repositories(*text, file, damage_);
    } catch (const Error& e) {
      if (e.code() == Errc::io) throw;
      note("repositories-invalid", file, e.what());
    }
    check_references();
  }

  void check_references() {
    for (auto& [repository, tags] : repositories_) {
      for (auto it = tags.begin(); it != tags.end();) {
        const std::string name = printable(repository + ":" + it->first);
        const bool valid = is_hex64(it->second);
        if (!valid)
          note("reference-invalid", name, "it names '" + printable(it->second, 80) + "', which is no image id");
        else if (image(it->second) == nullptr)
          note("reference-dangling", name, "its image " + it->second + " is not there");
        it = valid ? std::next(it) : tags.erase(it);
      }
    }
  }

  Fd root_;
  std::string driver_;
  std::vector<LegacyImage> images_;
  std::map<std::string, std::map<std::string, std::string>> repositories_;
  std::vector<LegacyContainer> containers_;
  std::vector<Damage> damage_;
};

std::unique_ptr<LegacyGraph> open_legacy(const std::filesystem::path& root, const std::string& driver) {
  return std::make_unique<DiskLegacyGraph>(root, driver);
}

}  // namespace cairn
