#include "core/image/load.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "core/archive/compression.h"
#include "core/image/image_loader.h"
#include "core/image/sources/directory_archive.h"
#include "core/image/sources/docker_archive.h"
#include "core/image/sources/oci_layout.h"
#include "core/image/sources/stream_archive.h"
#include "core/image/sources/tar_archive.h"
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

static bool is_compressed(int fd, uint64_t offset, uint64_t file_size) {
  std::array<char, 10> head;
  const uint64_t left = file_size - std::min(offset, file_size);
  const size_t n = read_full(*read_range(fd, offset, std::min<uint64_t>(head.size(), left)), head);
  return detect_compression({head.data(), n}) != Compression::none;
}

static std::unique_ptr<Archive> open_archive(LoadInput& input, LayerStore& layers, LayerMetadata& known) {
  struct stat st;
  if (::fstat(input.fd.get(), &st) != 0) throw_errno("asking what it is");
  if (S_ISDIR(st.st_mode)) return std::make_unique<DirectoryArchive>(std::move(input.fd), layers);
  if (S_ISREG(st.st_mode)) {
    const off_t at = ::lseek(input.fd.get(), 0, SEEK_CUR);
    if (at < 0) throw_errno("asking for its offset");
    const auto offset = static_cast<uint64_t>(at);
    if (!is_compressed(input.fd.get(), offset, static_cast<uint64_t>(st.st_size)))
      if (auto archive = TarArchive::open_file(dup_fd(input.fd.get()), offset, layers)) return archive;
  }
  const auto tar = read_ahead(decompress(read_from(std::move(input.fd))));
  return std::make_unique<StreamArchive>(*tar, layers, known);
}

LoadResult load_image_archive(LoadInput input, LayerStore& layers, MetadataStore& metadata, Progress& progress) {
  return while_doing([&] { return "loading '" + printable(input.name) + "'"; },
                     [&] {
                       const auto archive = open_archive(input, layers, metadata.layers());
                       ImageLoader loader(*archive, metadata, progress);
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
