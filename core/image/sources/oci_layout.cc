#include "core/image/sources/oci_layout.h"

#include <algorithm>
#include <map>

#include "core/image/image_store.h"
#include "core/image/reference.h"
#include "core/json/go_struct.h"
#include "core/util/error.h"

namespace cairn {
namespace {

constexpr int kMaxDepth = 4;                // of indexes in indexes
constexpr size_t kMaxDescriptors = 10'000;  // looked at in one layout

struct OciPlatform : Platform {
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("os", self.os, go_json::Omit::never);
    visit("architecture", self.architecture, go_json::Omit::never);
    visit("variant", self.variant, go_json::Omit::never);
  }
};

struct Descriptor {
  std::string media_type, digest;
  go_json::Strings urls;
  go_json::StringMap annotations;
  std::optional<OciPlatform> platform;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("mediaType", self.media_type, go_json::Omit::never);
    visit("digest", self.digest, go_json::Omit::never);
    visit("urls", self.urls, go_json::Omit::empty);
    visit("annotations", self.annotations, go_json::Omit::empty);
    visit("platform", self.platform, go_json::Omit::empty);
  }
  std::string annotation(const std::string& key) const {
    const auto found = annotations ? annotations->find(key) : std::map<std::string, std::string>::const_iterator();
    return annotations && found != annotations->end() ? found->second : "";
  }
  // Provenance and signatures that builders put beside an image.
  bool is_attestation() const {
    return annotation("vnd.docker.reference.type") == "attestation-manifest" ||
           (platform && platform->os == "unknown" && platform->architecture == "unknown");
  }
};

// A manifest or an index; media types are not to be relied on.
struct Document {
  std::optional<std::vector<Descriptor>> manifests;
  std::optional<Descriptor> config;
  std::vector<Descriptor> layers;
};

Document parse_document(const std::string& text) {
  Document out;
  for (const auto& member : go_json::members(text)) {
    const bool null = go_json::kind_of(member.raw) == go_json::Kind::null;
    if (!null && go_json::key_matches(member.key, "manifests")) go_json::decode(member.raw, out.manifests.emplace());
    if (go_json::key_matches(member.key, "config")) go_json::decode(member.raw, out.config);
    if (go_json::key_matches(member.key, "layers")) go_json::decode(member.raw, out.layers);
  }
  if (out.manifests && (out.config || !out.layers.empty()))
    throw Error(Errc::corrupt, "reading a manifest: it is an index too, which of them is meant cannot be told");
  return out;
}

Digest digest_of(const Descriptor& descriptor) {
  const auto digest = Digest::parse(descriptor.digest);
  if (!digest)
    throw Error(Errc::corrupt,
                "reading a descriptor: '" + printable(descriptor.digest, 160) + "' is not a sha256 digest");
  return *digest;
}

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
  const Document document = parse_document(read_blob(archive, manifest));
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
    out.layers.push_back({blob_member(blob), blob, diff_ids[i], urls && !urls->empty() ? urls->front() : ""});
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
    if (!index && fit(entry) == 0) return found.push_back(std::move(entry));
    const Document document = parse_document(read_blob(archive_, entry));
    if (!document.manifests) return found.push_back(std::move(entry));
    if (depth + 1 >= kMaxDepth) throw Error(Errc::corrupt, "reading the index: indexes are nested too deeply");
    for (Descriptor child : *document.manifests) {
      if (!child.platform) child.platform = entry.platform;
      collect(std::move(child), found, depth + 1);
    }
  }

  // Those that fit the wanted platform best. A single one is taken whatever it is for.
  std::vector<Descriptor> best(std::vector<Descriptor> found) const {
    if (found.size() <= 1) return found;
    int top = 0;
    for (const auto& manifest : found) top = std::max(top, fit(manifest));
    if (top == 0)
      throw Error(Errc::not_found,
                  "choosing an image: none is for " + wanted_.text() + ", there are " + platforms(found));
    std::erase_if(found, [&](const Descriptor& manifest) { return fit(manifest) != top; });
    return found;
  }

 private:
  int fit(const Descriptor& manifest) const {
    return manifest.platform ? platform_fit(wanted_, *manifest.platform) : 1;
  }

  static std::string platforms(const std::vector<Descriptor>& found) {
    constexpr size_t shown = 20;
    std::string out;
    for (size_t i = 0; i < std::min(found.size(), shown); ++i)
      out += (i == 0 ? "" : ", ") + printable(found[i].platform->text(), 60);
    return out;
  }

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
  const auto document = while_doing([] { return "reading index.json"; }, [&] { return parse_document(*index); });
  std::map<std::string, std::vector<Descriptor>> groups;
  for (const auto& entry : document.manifests.value_or(std::vector<Descriptor>()))
    groups[name_of(entry)].push_back(entry);

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
      found = walk.best(std::move(found));
      if (!name.empty() && found.size() > 1) found.resize(1);
      for (const auto& manifest : found) items.add(manifest, name);
    });
  }
  return std::move(items.list);
}

}  // namespace cairn
