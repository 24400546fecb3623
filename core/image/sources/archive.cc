#include "core/image/sources/archive.h"

#include "core/layer/stored_layer.h"
#include "core/util/error.h"
#include "core/util/ids.h"

namespace cairn {

void check_member_count(size_t members) {
  static constexpr size_t kMaxMembers = 1u << 18;
  if (members > kMaxMembers) throw Error(Errc::corrupt, "reading the archive: too many members");
}

void check_kept_texts(uint64_t bytes) {
  if (bytes > kMaxTexts)
    throw Error(Errc::corrupt, "reading the archive: more than " + std::to_string(kMaxTexts) +
                                   " bytes of manifests and configurations");
}

bool looks_like_json(std::string_view head) {
  const size_t first = head.find_first_not_of(" \t\r\n");
  return first != head.npos && (head[first] == '{' || head[first] == '[');
}

// A name in an archive is often a digest: then twelve digits of it tell the layer.
static std::string short_member(const std::string& member) {
  for (size_t start = 0; start < member.size();) {
    const size_t stop = std::min(member.find_first_of("/.:", start), member.size());
    const auto part = std::string_view(member).substr(start, stop - start);
    if (is_hex64(part)) return std::string(part.substr(0, 12));
    start = stop + 1;
  }
  return "'" + printable(member, 100) + "'";
}

std::string ArchiveLayer::label() const { return "layer " + (diff ? diff->hex().substr(0, 12) : short_member(member)); }

void throw_missing(const ArchiveLayer& layer) {
  throw Error(Errc::not_found,
              "reading " + layer.label() + ": neither the store nor the archive has it ('" + printable(layer.member) +
                  "' is missing)" +
                  (layer.elsewhere.empty() ? "" : "; its publisher offers it at " + printable(layer.elsewhere)));
}

void throw_missing(const std::vector<const ArchiveLayer*>& layers, size_t all) {
  constexpr size_t shown = 3;
  std::string names;
  uint64_t bytes = 0;
  bool all_measured = true;
  for (size_t i = 0; i < layers.size(); ++i) {
    if (i < shown) names += (i == 0 ? "" : ", ") + layers[i]->diff->str();
    bytes += layers[i]->bytes;
    all_measured = all_measured && layers[i]->bytes > 0;
  }
  if (layers.size() > shown) names += " and " + std::to_string(layers.size() - shown) + " more";
  const std::string& url = layers.front()->elsewhere;
  throw Error(Errc::not_found,
              "neither the archive nor the store has " + std::to_string(layers.size()) + " of its " +
                  std::to_string(all) + " layers (" + (all_measured ? std::to_string(bytes) + " bytes: " : "") + names +
                  "; '" + printable(layers.front()->member, 100) + "' is missing)" +
                  (url.empty() ? "; load first what has them, or have the image saved with all its layers"
                               : "; the publisher offers them at " + printable(url)));
}

bool RandomArchive::can_give(const ArchiveLayer& layer) const {
  return open(layer.member) != nullptr || (layer.diff && layers_.find_diff(*layer.diff));
}

std::vector<LayerRecord> RandomArchive::register_layers(const std::optional<ChainId>& base,
                                                        const std::vector<ArchiveLayer>& layers) {
  std::vector<LayerSource> sources;
  for (const auto& layer : layers) {
    const auto open_layer = [this, &layer] {
      if (auto source = open(layer.member)) return source;
      const auto chain = layer.diff ? layers_.find_diff(*layer.diff) : std::nullopt;
      if (!chain) throw_missing(layer);
      return read_layer(layers_, *chain);
    };
    const auto blob = open(layer.member) ? layer.blob : std::nullopt;  // what the store gives is never packed
    sources.push_back({open_layer, blob, layer.diff, size_of(layer.member), layer.label()});
  }
  return layers_.register_layers(base, std::move(sources));
}

}  // namespace cairn
