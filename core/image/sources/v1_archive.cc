#include "core/image/sources/v1_archive.h"

#include <set>

#include "core/image/reference.h"
#include "core/image/v1_config.h"
#include "core/json/go_struct.h"
#include "core/util/error.h"
#include "core/util/ids.h"

namespace cairn {
namespace {

constexpr size_t kMaxJson = 64u << 20;  // of all images

std::map<std::string, V1Image> read_images(const Archive& archive) {
  std::map<std::string, V1Image> out;
  size_t bytes = 0;
  for (const auto& id : archive.directories()) {
    if (!is_hex64(id)) continue;
    V1Image image;
    image.layer = {id + "/layer.tar", std::nullopt, std::nullopt, ""};
    try {
      auto json = archive.text(id + "/json");
      if (!json) continue;
      image.json = std::move(*json);
      bytes += image.json.size();
      image.parent = parent_from_v1(image.json);
    } catch (const Error& e) {
      if (e.code() == Errc::interrupted) throw;
      image.error = e.what();
    }
    if (bytes > kMaxJson) throw Error(Errc::corrupt, "reading the images: their descriptions are larger than 64 MiB");
    out.emplace(id, std::move(image));
  }
  return out;
}

// Marks what lacks a usable parent, or is its own ancestor.
void check_ancestry(std::map<std::string, V1Image>& images) {
  std::set<std::string> sound;
  for (auto& [id, image] : images) {
    std::vector<V1Image*> path;
    std::string fault;
    for (std::string at = id; !at.empty() && !sound.contains(at) && fault.empty();) {
      const auto found = images.find(at);
      if (found == images.end()) {
        fault = "its ancestor '" + printable(at, 80) + "' is not in the archive";
      } else if (path.size() > images.size()) {
        fault = "it is its own ancestor";
      } else {
        fault = found->second.error;
        path.push_back(&found->second);
        at = found->second.parent;
      }
    }
    for (V1Image* member : path)
      if (!fault.empty() && member->error.empty()) member->error = fault;
    for (std::string at = id; fault.empty() && !at.empty() && sound.insert(at).second;) at = images.at(at).parent;
  }
}

void read_tags(const std::string& repositories, V1Archive& into) {
  for (const auto& [name, raw] : go_json::object(repositories)) {
    if (go_json::kind_of(raw) == go_json::Kind::null) continue;
    go_json::StringMap tags;
    go_json::decode(raw, tags);
    for (const auto& [tag, id] : *tags) {
      try {
        const Reference reference = parse_repository(name);
        if (!is_tag(tag) || !reference.tag.empty() || !reference.digest.empty())
          throw Error(Errc::invalid, "not a repository and a tag");
        into.tags[reference.repository() + ":" + tag] = id;
      } catch (const Error& e) {
        into.bad_tags[name + ":" + tag] = e.what();
      }
    }
  }
}

}  // namespace

std::optional<V1Archive> read_v1_archive(const Archive& archive) {
  V1Archive out;
  out.images = read_images(archive);
  const auto repositories = archive.text("repositories");
  if (out.images.empty() && !repositories) return std::nullopt;
  check_ancestry(out.images);
  if (repositories) while_doing([] { return "reading repositories"; }, [&] { read_tags(*repositories, out); });
  return out;
}

}  // namespace cairn
