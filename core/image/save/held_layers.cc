#include "core/image/save/held_layers.h"

#include <sys/stat.h>

#include <optional>

#include "core/archive/compression.h"
#include "core/image/image_store.h"
#include "core/image/sources/docker_archive.h"
#include "core/image/sources/oci_layout.h"
#include "core/image/sources/open_archive.h"
#include "core/image/sources/text_archive.h"
#include "core/util/error.h"

namespace cairn {

void HeldLayers::add_image(std::span<const DiffId> diffs) {
  std::optional<ChainId> chain;
  for (const auto& diff : diffs) {
    chain = chain_id(chain, diff);
    chains_.insert(*chain);
  }
}

void HeldLayers::add_archive(LoadInput input, LayerStore& layers) {
  std::unique_ptr<Archive> archive = open_random_archive(input, layers);
  if (!archive) {
    const auto tar = read_ahead(decompress(read_from(std::move(input.fd))));
    archive = std::make_unique<TextArchive>(*tar);
  }
  auto items = read_docker_archive(*archive);
  if (!items) items = read_oci_layout(*archive, input.platform);
  if (!items)
    throw Error(Errc::invalid,
                "it has neither manifest.json nor index.json, so that it does not say what layers it has");
  for (const auto& item : *items) add_image(read_image_config(item.read().config).diff_ids);
}

size_t HeldLayers::count_of(std::span<const DiffId> diffs) const {
  size_t count = 0;
  std::optional<ChainId> chain;
  for (size_t i = 0; i < diffs.size(); ++i) {
    chain = chain_id(chain, diffs[i]);
    // A layer counts on the layers below it only: an engine has no use for it elsewhere.
    if (chains_.contains(*chain) || (i > 0 && listed_.contains(*chain))) count = i + 1;
  }
  return count;
}

}  // namespace cairn
