#include "core/image/load.h"

#include <unistd.h>

#include "core/archive/compression.h"
#include "core/image/image_loader.h"
#include "core/image/sources/docker_archive.h"
#include "core/image/sources/oci_layout.h"
#include "core/image/sources/open_archive.h"
#include "core/image/sources/stream_archive.h"
#include "core/image/sources/v1_archive.h"
#include "core/util/error.h"

namespace cairn {

LoadInput open_load_input(const std::string& path) {
  if (path == "-") return {dup_fd(STDIN_FILENO), "standard input"};
  return {open_at(AT_FDCWD, path, O_RDONLY | O_NOCTTY), path};
}

std::vector<std::string> LoadResult::lines() const {
  std::vector<std::string> out;
  for (const auto& image : images) {
    for (const auto& tag : image.tags) out.push_back("Loaded image: " + tag);
    if (image.tags.empty()) out.push_back("Loaded image ID: " + image.id.str());
  }
  return out;
}

static std::unique_ptr<Archive> open_archive(LoadInput& input, LayerStore& layers, LayerMetadata& known) {
  if (auto archive = open_random_archive(input, layers)) return archive;
  const auto tar = read_ahead(decompress(read_from(std::move(input.fd))));
  return std::make_unique<StreamArchive>(*tar, layers, known);
}

LoadResult load_image_archive(LoadInput input, LayerStore& layers, MetadataStore& metadata, Progress& progress) {
  return while_doing([&] { return "loading '" + printable(input.name) + "'"; },
                     [&] {
                       const auto archive = open_archive(input, layers, metadata.layers());
                       ImageLoader loader(*archive, layers, metadata, progress);
                       if (const auto items = read_docker_archive(*archive)) {
                         for (const auto& item : *items) loader.load(item);
                       } else if (const auto layout = read_oci_layout(*archive, input.platform)) {
                         for (const auto& item : *layout) loader.load(item);
                       } else if (const auto old = read_v1_archive(*archive)) {
                         loader.load(*old);
                       } else {
                         throw Error(Errc::invalid,
                                     "this is no image archive: it has neither manifest.json nor index.json nor "
                                     "repositories; `cairn apply` takes a single layer");
                       }
                       return loader.finish();
                     });
}

}  // namespace cairn
