// A root of Docker 1.10 and later with a chain of layers, images, names and containers, as `cairn` itself writes it.
#pragma once

#include <filesystem>
#include <map>
#include <string>
#include <vector>

#include "graphdb/store.h"
#include "tests/support/temp_dir.h"

namespace cairn::test {

class ContentRoot {
 public:
  explicit ContentRoot(std::string driver = "overlay2")
      : driver_(std::move(driver)), store_(open_metadata(dir_.path(), driver_)) {
    store_->prepare();
  }
  std::filesystem::path path() const { return dir_.path(); }
  std::filesystem::path image(const std::string& below) const { return path() / "image" / driver_ / below; }
  std::filesystem::path layer_dir(const ChainId& chain) const { return image("layerdb/sha256/" + chain.hex()); }
  MetadataStore& store() { return *store_; }
  void put(const std::string& file, const std::string& content) { write_file(path() / file, content); }

  // The layer's DiffID is the hash of its cache-id.
  LayerRecord layer(const std::string& cache_id, const std::optional<ChainId>& parent = std::nullopt,
                    int64_t size = 10) {
    const DiffId diff(Digest::of(cache_id));
    const LayerRecord record{chain_id(parent, diff), diff, parent, LayerId(cache_id), size};
    auto transaction = store_->layers().begin({record.cache_id});
    transaction->tar_split().write(std::string("split"));
    transaction->prepare(record);
    transaction->publish();
    overlay_layer(cache_id, parent ? lower_of_.at(parent->str()) : "");
    lower_of_[record.chain.str()] = lower_for_children(cache_id);
    return record;
  }
  ImageId image_of(const std::vector<DiffId>& diffs, const std::string& history = "") {
    std::string list;
    for (const auto& diff : diffs) list += (list.empty() ? "\"" : ",\"") + diff.str() + "\"";
    return store_->images().put("{\"created\":\"2024-01-02T03:04:05Z\",\"history\":[" + history +
                                "],\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[" + list + "]}}");
  }
  void container(const std::string& id, const ImageId& image, const std::optional<ChainId>& chain,
                 const std::string& extra = "") {
    store_->containers().put(
        id, {{"config.v2.json",
              "{\"ID\":\"" + id + "\",\"Name\":\"/web\",\"Driver\":\"" + driver_ + "\",\"Image\":\"" + image.str() +
                  "\",\"Path\":\"sh\",\"Args\":[\"-c\",\"echo hi\"],\"Created\":\"2024-01-02T03:04:05Z\"" +
                  ",\"Config\":{\"Image\":\"app\"}" + extra + "}"},
             {"hostconfig.json", "{}"}});
    store_->layers().add_mount({id, LayerId("rw-" + id), LayerId("rw-" + id + "-init"), chain});
    overlay_layer("rw-" + id + "-init", chain ? lower_of_.at(chain->str()) : "");
    overlay_layer("rw-" + id, lower_for_children("rw-" + id + "-init"));
  }

 private:
  void overlay_layer(const std::string& id, const std::string& lower) {
    if (driver_ != "overlay2") return;
    put("overlay2/" + id + "/diff/file", id);
    put("overlay2/" + id + "/link", "LINK" + id);
    std::filesystem::create_directories(path() / "overlay2/l");
    std::filesystem::create_symlink("../" + id + "/diff", path() / "overlay2/l" / ("LINK" + id));
    lowers_[id] = lower;
    if (!lower.empty()) put("overlay2/" + id + "/lower", lower);
  }
  std::string lower_for_children(const std::string& id) {
    return "l/LINK" + id + (lowers_[id].empty() ? "" : ":" + lowers_[id]);
  }

  std::map<std::string, std::string> lowers_, lower_of_;  // by driver layer, by chain
  TempDir dir_;
  std::string driver_;
  std::unique_ptr<MetadataStore> store_;
};

}  // namespace cairn::test
