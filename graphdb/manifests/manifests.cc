#include "graphdb/manifests/manifests.h"

#include <unistd.h>

#include <algorithm>

#include "core/image/manifest.h"
#include "core/util/error.h"
#include "core/util/replace_file.h"
#include "graphdb/util/files.h"
#include "graphdb/util/json.h"

namespace cairn {

static constexpr size_t kMaxBytes = 8u << 20;  // of a manifest
static constexpr size_t kMaxOfOneImage = 100;  // the oldest go

std::string ManifestFiles::file_of(const Digest& digest) const {
  return place_.image("distribution/manifests/sha256/" + digest.hex());
}
std::string ManifestFiles::file_of(const ImageId& image) const {
  return place_.image("distribution/manifests-by-image/sha256/" + image.hex());
}

Digest ManifestFiles::put(const std::string& bytes, const std::optional<ImageId>& image) {
  const Digest digest = manifest_digest(bytes);
  return while_doing([&] { return "keeping manifest " + digest.str(); },
                     [&] {
                       const int root = place_.root_fd();
                       for (const char* folder : {"distribution/manifests", "distribution/manifests-by-image"}) {
                         ensure_dir_at(root, place_.image(folder), 0700);
                         ensure_dir_at(root, place_.image(std::string(folder) + "/sha256"), 0755);
                       }
                       if (try_read_regular_at(root, file_of(digest), kMaxBytes) != bytes)
                         replace_file_at(root, file_of(digest), bytes, 0600);
                       if (!image) return digest;
                       auto all = of(*image);
                       if (!all.empty() && all.back() == digest) return digest;
                       std::erase(all, digest);
                       all.push_back(digest);
                       if (all.size() > kMaxOfOneImage) all.erase(all.begin(), all.end() - kMaxOfOneImage);
                       std::string text = "[";
                       for (const auto& one : all) text += (text.size() > 1 ? "," : "") + go_json::quote(one.str());
                       replace_file_at(root, file_of(*image), text + "]", 0600);
                       return digest;
                     });
}

std::optional<std::string> ManifestFiles::find(const Digest& digest) const {
  const auto root = place_.try_root_fd();
  try {
    auto bytes = root ? try_read_regular_at(*root, file_of(digest), kMaxBytes) : std::nullopt;
    if (bytes && manifest_digest(*bytes) != digest) bytes.reset();
    return bytes;
  } catch (const Error& e) {
    if (e.code() != Errc::corrupt) throw;
    return std::nullopt;
  }
}

std::vector<Digest> ManifestFiles::of(const ImageId& image) const {
  std::vector<Digest> out;
  const auto root = place_.try_root_fd();
  try {
    const auto text = root ? try_read_regular_at(*root, file_of(image)) : std::nullopt;
    if (!text) return out;
    for (const auto raw : go_json::elements(*text))
      if (const auto digest = is_json_string(raw) ? Digest::parse(go_json::unquote(raw)) : std::nullopt)
        out.push_back(*digest);
  } catch (const Error& e) {
    if (e.code() != Errc::corrupt) throw;
  }
  return out;
}

void ManifestFiles::unlink(const std::string& file) {
  if (::unlinkat(place_.root_fd(), file.c_str(), 0) != 0 && errno != ENOENT && errno != ENOTDIR)
    throw_errno("removing '" + file + "'");
}

void ManifestFiles::remove(const ImageId& image) {
  for (const auto& digest : of(image)) unlink(file_of(digest));
  unlink(file_of(image));
}

void ManifestFiles::remove(const Digest& index) { unlink(file_of(index)); }

}  // namespace cairn
