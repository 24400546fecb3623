#include "core/image/sources/archive.h"

#include "core/util/error.h"
#include "core/util/ids.h"

namespace cairn {

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

std::vector<LayerRecord> RandomArchive::register_layers(const std::optional<ChainId>& base,
                                                        const std::vector<ArchiveLayer>& layers) {
  std::vector<LayerSource> sources;
  for (const auto& layer : layers) {
    const auto open_layer = [this, &layer] {
      auto source = open(layer.member);
      if (!source) throw_missing(layer);
      return source;
    };
    sources.push_back({open_layer, layer.blob, layer.diff, size_of(layer.member), layer.label()});
  }
  return layers_.register_layers(base, std::move(sources));
}

}  // namespace cairn
