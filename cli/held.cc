#include "cli/held.h"

#include <array>

#include "cli/exit.h"
#include "cli/wiring.h"
#include "core/archive/compression.h"
#include "core/archive/tar_header.h"
#include "core/util/error.h"

namespace cairn {
namespace {

constexpr size_t kMaxText = 256u << 20;  // what `docker inspect` says of ten thousand images

bool is_archive_directory(int fd) { return exists_at(fd, "manifest.json") || exists_at(fd, "index.json"); }

bool is_archive(int fd) {
  std::array<char, kTarBlock> head;
  const size_t n = read_full(fd, head);
  if (::lseek(fd, 0, SEEK_SET) != 0) throw_errno("going back to its beginning");
  const std::string_view text(head.data(), n);
  return detect_compression(text.substr(0, 10)) != Compression::none || (n == kTarBlock && parse_tar_header(head));
}

void add_root(const std::string& path, const Globals& globals, HeldLayers& into) {
  const auto stores = stores_in(path);
  if (stores.empty()) throw Error(Errc::invalid, "it is neither an image archive's directory nor a data root");
  for (const auto& store : stores) {
    if (store.graph) continue;  // engines that old load archives without a look at what they have
    Globals there = globals;
    there.root = path;
    there.driver = store.driver;
    there.storage_options.clear();
    for (const auto& layer : open_to_read(there).metadata->layers().list()) into.add(layer.chain);
  }
}

void add(const std::string& path, const Globals& globals, LayerStore& layers, HeldLayers& into) {
  LoadInput input = open_load_input(path);
  struct stat st;
  if (::fstat(input.fd.get(), &st) != 0) throw_errno("asking what it is");
  if (S_ISDIR(st.st_mode) && !is_archive_directory(input.fd.get())) return add_root(path, globals, into);
  if (S_ISDIR(st.st_mode) || (S_ISREG(st.st_mode) && is_archive(input.fd.get())))
    return into.add_archive(std::move(input), layers);
  if (into.add_text(read_all(*read_from(std::move(input.fd)), kMaxText)) == 0)
    throw Error(Errc::invalid, "it is no image archive, and a text in which there is no 'sha256:…'");
}

}  // namespace

void add_held(const std::string& path, const Globals& globals, LayerStore& layers, HeldLayers& into) {
  as_named_by_user([&] {
    while_doing([&] { return "reading what '" + printable(path) + "' has"; },
                [&] { add(path, globals, layers, into); });
  });
}

}  // namespace cairn
