// Manifests that images came with: an archive that has the very layers they name can have them, too.
#pragma once

#include <map>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "core/image/manifest.h"
#include "core/image/save/packer.h"
#include "core/interfaces/metadata_store.h"

namespace cairn {

struct KeptManifest {
  std::string bytes;
  std::vector<Descriptor> layers;  // one for each DiffID
};

// The layers that are to be in the archive; those that are left out a manifest may name as it likes.
using NeededLayers = std::map<DiffId, LayerPacker::Wanted>;

// The newest manifest of `image` that can be given again, because its layers were not compressed, or as cairn
// compresses them (then they are packed now). `none_fits` is set if there are manifests and none can.
std::optional<KeptManifest> kept_manifest(Manifests& manifests, const ImageId& image, std::span<const DiffId> diffs,
                                          const NeededLayers& needed, LayerPacker& packer, unsigned jobs,
                                          bool& none_fits);

}  // namespace cairn
