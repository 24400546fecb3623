// Layers that whoever is to get an archive has already, so that it can do without them.
#pragma once

#include <set>
#include <span>
#include <string_view>

#include "core/digest/digest.h"
#include "core/image/load.h"

namespace cairn {

class HeldLayers {
 public:
  void add(const ChainId& chain) { chains_.insert(chain); }
  // Those of an image, base first: the whole image is there.
  void add_image(std::span<const DiffId> diffs);
  // Every "sha256:…" in any text, be it a DiffID or a ChainID: `docker inspect` prints such. Returns their number.
  size_t add_text(std::string_view text);
  // Of all images that `input` has, whatever archive it is. Errc::invalid if that says no DiffIDs, as none of
  // Docker 1.9 or before does. `layers` is only there to read with.
  void add_archive(LoadInput input, LayerStore& layers);

  // How many of an image's layers, from the base on, are there.
  size_t count_of(std::span<const DiffId> diffs) const;

 private:
  std::set<ChainId> chains_;
  std::set<DiffId> diffs_;  // where their chains are not known
};

}  // namespace cairn
