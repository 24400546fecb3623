// Removes names of images, and images, by Docker's rules (moby's ImageDelete): a name that is not the last one only
// goes itself; with the last one goes the image, unless something uses it, and then those of its parents that have no
// other use.
#pragma once

#include <string>
#include <vector>

#include "core/image/image_uses.h"
#include "core/interfaces/catalog.h"
#include "core/interfaces/driver.h"
#include "core/interfaces/metadata_store.h"
#include "core/layer/layer_store.h"

namespace cairn {

struct RemovedImages {
  std::vector<std::string> untagged;       // names, as they are shown
  std::vector<std::string> deleted;        // "sha256:…" of images, each followed by those of its layers
  std::vector<std::string> lines() const;  // as docker rmi prints them
};

class ImageRemover {
 public:
  struct Options {
    bool force = false;  // although containers at rest use it, or it has names in several repositories
    bool prune = true;   // parents, too
  };
  // Holds the publish lock as long as it lives, so that nothing comes to need what is about to go.
  ImageRemover(const Catalog& catalog, MetadataStore& metadata, const Driver& driver, LayerStore& layers,
               Options options);

  // By name or ID. Errc::not_found, or in_use for a conflict, naming what uses the image; nothing is changed then.
  // Names go first, then configurations, then layers: a crash leaves at most layers that nothing uses, and so does a
  // driver that still shows one of them, for which in_use is thrown, too.
  RemovedImages remove(const std::string& reference);

  // Why layers stay that nothing known needs; "" if there is no reason.
  std::string layers_kept() const { return uses_.layers_kept(); }

 private:
  struct Going {
    RemovedImages shown;
    ImageId target{Digest::of("")};
    std::vector<std::string> names;  // familiar
    std::vector<ImageId> images;     // children first
    std::vector<LayerRecord> layers;
  };
  class Plan;
  void refuse_mounted(const std::vector<LayerRecord>& layers) const;
  void carry_out(const Going& going);
  void forget_manifests(const Going& going);

  const Catalog& catalog_;
  MetadataStore& metadata_;
  const Driver& driver_;
  LayerStore& layers_;
  Options options_;
  FileLock lock_;
  ImageUses uses_;
};

}  // namespace cairn
