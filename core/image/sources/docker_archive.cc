#include "core/image/sources/docker_archive.h"

#include <algorithm>
#include <map>

#include "core/image/image_store.h"
#include "core/image/manifest.h"
#include "core/image/reference.h"
#include "core/image/sources/member_links.h"
#include "core/json/go_struct.h"
#include "core/util/error.h"

namespace cairn {
namespace {

struct LayerSources {
  std::map<std::string, Descriptor> by_diff;
};
void decode(std::string_view raw, LayerSources& into) {
  into.by_diff.clear();
  if (go_json::kind_of(raw) == go_json::Kind::null) return;
  for (const auto& member : go_json::members(raw)) go_json::decode(member.raw, into.by_diff[member.key]);
}

struct Item {
  std::string config, parent;
  go_json::Strings tags, layers;
  LayerSources sources;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("Config", self.config, go_json::Omit::never);
    visit("RepoTags", self.tags, go_json::Omit::never);
    visit("Layers", self.layers, go_json::Omit::never);
    visit("Parent", self.parent, go_json::Omit::empty);
    visit("LayerSources", self.sources, go_json::Omit::empty);
  }
};

std::string read_config(const Archive& archive, const std::string& member) {
  auto text = archive.text(member);
  if (!text)
    throw Error(Errc::not_found, "reading the configuration '" + printable(member) + "': the archive lacks it");
  constexpr std::string_view blobs = "blobs/sha256/";
  const std::string name = member_name(member);
  if (name.starts_with(blobs))  // only there does the name promise anything
    if (const auto wanted = Digest::from_hex(name.substr(blobs.size())); wanted && *wanted != Digest::of(*text))
      throw Error(Errc::corrupt,
                  "checking the configuration '" + printable(member) + "': its digest is " + Digest::of(*text).str());
  return std::move(*text);
}

ArchiveImage read_image(const Archive& archive, const Item& item) {
  ArchiveImage out;
  out.config = read_config(archive, item.config);
  const auto diff_ids = read_image_config(out.config).diff_ids;
  const auto members = item.layers.value_or(std::vector<std::string>());
  if (members.size() != diff_ids.size())
    throw Error(Errc::corrupt, "reading manifest.json: it lists " + std::to_string(members.size()) +
                                   " layers, the configuration " + std::to_string(diff_ids.size()));
  for (size_t i = 0; i < members.size(); ++i) {
    const auto source = item.sources.by_diff.find(diff_ids[i].str());
    const int64_t bytes = source == item.sources.by_diff.end() ? 0 : std::max<int64_t>(source->second.size, 0);
    out.layers.push_back({members[i], std::nullopt, diff_ids[i], "", static_cast<uint64_t>(bytes)});
  }
  if (!item.parent.empty()) {
    out.parent = ImageId::parse(item.parent);
    if (!out.parent)
      throw Error(Errc::corrupt, "reading manifest.json: the parent '" + printable(item.parent, 80) + "' is not an ID");
  }
  return out;
}

// A tag is needed; a digest does not count as one.
std::string familiar_tag(const std::string& text) {
  const Reference reference = parse_repository(text);
  if (reference.tag.empty()) throw Error(Errc::invalid, "reading the name '" + printable(text) + "': it has no tag");
  return Reference{reference.domain, reference.path, reference.tag, ""}.familiar();
}

}  // namespace

std::optional<std::vector<ArchiveItem>> read_docker_archive(const Archive& archive) {
  const auto manifest = archive.text("manifest.json");
  if (!manifest) return std::nullopt;
  const auto items = while_doing([] { return "reading manifest.json"; },
                                 [&] {
                                   std::vector<Item> list;
                                   for (const auto raw : go_json::elements(*manifest))
                                     go_json::decode(raw, list.emplace_back());
                                   return list;
                                 });
  std::vector<ArchiveItem> out;
  for (const auto& item : items) {
    const auto tags = item.tags.value_or(std::vector<std::string>());
    ArchiveItem entry;
    entry.label = tags.empty() ? item.config : tags.front();
    try {
      for (const auto& tag : tags) entry.tags.push_back(familiar_tag(tag));
      entry.read = [&archive, item] { return read_image(archive, item); };
    } catch (const Error& e) {
      entry.read = [e]() -> ArchiveImage { throw e; };
    }
    out.push_back(std::move(entry));
  }
  return out;
}

}  // namespace cairn
