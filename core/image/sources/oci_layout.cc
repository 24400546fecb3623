#include "core/image/sources/oci_layout.h"

#include <algorithm>
#include <map>

#include "core/image/image_store.h"
#include "core/image/manifest.h"
#include "core/image/reference.h"
#include "core/util/error.h"

namespace cairn {
namespace {

constexpr int kMaxDepth = 4;                // of indexes in indexes
constexpr size_t kMaxDescriptors = 10'000;  // looked at in one layout

std::string blob_member(const Digest& digest) { return "blobs/sha256/" + digest.hex(); }

std::string read_blob(const Archive& archive, const Descriptor& descriptor) {
  const Digest digest = digest_of(descriptor);
  auto text = archive.text(blob_member(digest));
  if (!text) throw Error(Errc::not_found, "reading blob " + digest.str() + ": the archive lacks it");
  if (Digest::of(*text) != digest)
    throw Error(Errc::corrupt,
                "checking blob " + digest.str() + ": its bytes have the digest " + Digest::of(*text).str());
  return std::move(*text);
}

ArchiveImage read_image(const Archive& archive, const Descriptor& manifest) {
  const Manifest document = parse_manifest(read_blob(archive, manifest));
  if (!document.config)
    throw Error(Errc::unsupported, "reading manifest " + manifest.digest + ": it names no configuration");
  ArchiveImage out;
  out.config = read_blob(archive, *document.config);
  const auto diff_ids = read_image_config(out.config).diff_ids;
  if (document.layers.size() != diff_ids.size())
    throw Error(Errc::corrupt, "reading manifest " + manifest.digest + ": it has " +
                                   std::to_string(document.layers.size()) + " layers, its configuration " +
                                   std::to_string(diff_ids.size()));
  for (size_t i = 0; i < diff_ids.size(); ++i) {
    const Digest blob = digest_of(document.layers[i]);
    const auto& urls = document.layers[i].urls;
    out.layers.push_back({blob_member(blob), blob, diff_ids[i], urls && !urls->empty() ? urls->front() : "",
                          static_cast<uint64_t>(std::max<int64_t>(document.layers[i].size, 0))});
  }
  return out;
}

// Follows indexes to the manifests.
class Walk {
 public:
  Walk(const Archive& archive, const Platform& wanted) : archive_(archive), wanted_(wanted) {}

  void collect(Descriptor entry, std::vector<Descriptor>& found, int depth = 0) {
    if (entry.is_attestation()) return;
    if (++seen_ > kMaxDescriptors) throw Error(Errc::corrupt, "reading the index: too many manifests");
    // Archives may hold the manifests of one platform only: others are not looked at.
    const bool index =
        entry.media_type.find("index") != std::string::npos || entry.media_type.find("list") != std::string::npos;
    if (!index && entry.platform && platform_fit(wanted_, *entry.platform) == 0)
      return found.push_back(std::move(entry));
    const Manifest document = parse_manifest(read_blob(archive_, entry));
    if (document.kind != Manifest::Kind::index) return found.push_back(std::move(entry));
    if (depth + 1 >= kMaxDepth) throw Error(Errc::corrupt, "reading the index: indexes are nested too deeply");
    for (Descriptor child : document.manifests) {
      if (!child.platform) child.platform = entry.platform;
      collect(std::move(child), found, depth + 1);
    }
  }

 private:
  const Archive& archive_;
  const Platform& wanted_;
  size_t seen_ = 0;
};

// The familiar name an index entry gives its image, "" if it has none or one that is no image name.
std::string name_of(const Descriptor& entry) {
  for (const auto* key : {"io.containerd.image.name", "org.opencontainers.image.ref.name"}) {
    const std::string text = entry.annotation(key);
    if (text.empty()) continue;
    try {
      const Reference reference = parse_reference(text);
      if (!reference.tag.empty()) return reference.repository() + ":" + reference.tag;
    } catch (const Error&) {
      // Layouts may name their images as they like; what is no image name is loaded without.
    }
  }
  return "";
}

struct Items {
  explicit Items(const Archive& from) : archive(from) {}

  // An image with several names is one item.
  void add(const Descriptor& manifest, const std::string& name) {
    const auto [at, fresh] = by_digest.emplace(manifest.digest, list.size());
    if (fresh) {
      const auto read = [&from = archive, manifest] { return read_image(from, manifest); };
      list.push_back({name.empty() ? manifest.digest : name, {}, read});
    }
    if (!name.empty()) list[at->second].tags.push_back(name);
  }
  // What is wrong with one entry concerns that entry.
  template <typename Body>
  void attempt(const std::string& label, Body&& body) {
    try {
      body();
    } catch (const Error& e) {
      if (e.code() == Errc::interrupted) throw;
      list.push_back({label, {}, [e]() -> ArchiveImage { throw e; }});
    }
  }

  const Archive& archive;
  std::vector<ArchiveItem> list;
  std::map<std::string, size_t> by_digest;
};

void check_version(const Archive& archive) {
  const auto header = archive.text("oci-layout");
  if (!header) return;
  const auto members = go_json::members(*header);
  std::string version = "1";
  if (const auto* member = go_json::find_field(members, "imageLayoutVersion")) go_json::decode(member->raw, version);
  if (!version.starts_with("1"))
    throw Error(Errc::unsupported,
                "reading oci-layout: version '" + printable(version, 40) + "' of the layout is not known");
}

}  // namespace

std::optional<std::vector<ArchiveItem>> read_oci_layout(const Archive& archive, const Platform& platform) {
  const auto index = archive.text("index.json");
  if (!index) return std::nullopt;
  check_version(archive);
  const auto document = while_doing([] { return "reading index.json"; }, [&] { return parse_manifest(*index); });
  std::map<std::string, std::vector<Descriptor>> groups;
  for (const auto& entry : document.manifests) groups[name_of(entry)].push_back(entry);

  Items items(archive);
  Walk walk(archive, platform);
  for (const auto& group : groups) {
    const std::string& name = group.first;
    std::vector<Descriptor> found;
    for (const auto& entry : group.second) {
      items.attempt(name.empty() ? entry.digest : name, [&] {
        std::vector<Descriptor> more;
        walk.collect(entry, more);
        std::move(more.begin(), more.end(), std::back_inserter(found));
      });
    }
    items.attempt(name.empty() ? "index.json" : name, [&] {
      found = best_for(platform, std::move(found), true);  // a single one, whatever it is for
      if (!name.empty() && found.size() > 1) found.resize(1);
      for (const auto& manifest : found) items.add(manifest, name);
    });
  }
  return std::move(items.list);
}

}  // namespace cairn
