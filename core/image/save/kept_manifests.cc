#include "core/image/save/kept_manifests.h"

#include <algorithm>

#include "core/util/error.h"

namespace cairn {

// The layers of the image's own manifest. nullopt if it is another image's, damaged, or of a kind that names none.
static std::optional<std::vector<Descriptor>> layers_of(const std::string& bytes, const ImageId& image, size_t count) {
  try {
    Manifest manifest = parse_manifest(bytes);
    if (manifest.kind != Manifest::Kind::image || !manifest.config || manifest.layers.size() != count ||
        digest_of(*manifest.config) != image.value)
      return std::nullopt;
    for (const auto& layer : manifest.layers) digest_of(layer);
    return std::move(manifest.layers);
  } catch (const Error& e) {
    if (e.code() != Errc::corrupt) throw;
    return std::nullopt;
  }
}

// Whether each layer that is needed can be had in the bytes its descriptor names. The smallest is tried first: as a
// rule it shows already that another program compressed them.
static bool can_be_rebuilt(const std::vector<Descriptor>& layers, std::span<const DiffId> diffs,
                           const NeededLayers& needed, LayerPacker& packer, unsigned jobs) {
  std::vector<size_t> packed;
  for (size_t i = 0; i < diffs.size(); ++i)
    if (needed.contains(diffs[i]) && digest_of(layers[i]) != diffs[i].value) packed.push_back(i);
  if (packed.empty()) return true;
  const size_t first = *std::min_element(packed.begin(), packed.end(),
                                         [&](size_t a, size_t b) { return layers[a].size < layers[b].size; });
  const auto is_same = [&](size_t i) { return packer.at(diffs[i]).digest == digest_of(layers[i]); };
  packer.pack({{diffs[first], needed.at(diffs[first])}}, 1);
  if (!is_same(first)) return false;
  NeededLayers rest;
  for (const size_t i : packed) rest.emplace(diffs[i], needed.at(diffs[i]));
  packer.pack(rest, jobs);
  return std::all_of(packed.begin(), packed.end(), is_same);
}

std::optional<KeptManifest> kept_manifest(Manifests& manifests, const ImageId& image, std::span<const DiffId> diffs,
                                          const NeededLayers& needed, LayerPacker& packer, unsigned jobs,
                                          bool& none_fits) {
  const auto all = manifests.of(image);
  for (auto digest = all.rbegin(); digest != all.rend(); ++digest) {
    auto bytes = manifests.find(*digest);
    if (!bytes) continue;
    auto layers = layers_of(*bytes, image, diffs.size());
    if (layers && can_be_rebuilt(*layers, diffs, needed, packer, jobs))
      return KeptManifest{std::move(*bytes), std::move(*layers)};
    none_fits = true;
  }
  none_fits = none_fits && !all.empty();
  return std::nullopt;
}

}  // namespace cairn
