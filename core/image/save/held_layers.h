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
  // One that nobody says to be a ChainID. It counts as that of two layers or more, which no other hash is equal to; a
  // base's is its DiffID, and that may lie elsewhere.
  void add_listed(const Digest& digest) { listed_.insert(ChainId(digest)); }
  // The layers of the images that JSON describes (`docker inspect`, configurations, cairn's --json), of arrays of
  // DiffIDs, and in any other text every "sha256:…" as listed. Returns how many digests it found.
  size_t add_text(std::string_view text);
  // Of all images that `input` has, whatever archive it is. Errc::invalid if that says no DiffIDs, as none of
  // Docker 1.9 or before does. `layers` is only there to read with.
  void add_archive(LoadInput input, LayerStore& layers);

  // How many of an image's layers, from the base on, are there.
  size_t count_of(std::span<const DiffId> diffs) const;

 private:
  std::set<ChainId> chains_, listed_;
};

}  // namespace cairn
