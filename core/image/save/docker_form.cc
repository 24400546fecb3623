#include <algorithm>
#include <map>
#include <set>

#include "core/image/save/forms.h"
#include "core/image/save/v1_layers.h"
#include "core/json/go_struct.h"

namespace cairn {

Descriptor descriptor_of(const SavedBlob& blob) {
  Descriptor out;
  out.media_type = blob.gzip ? media_type::oci_gzip_layer : media_type::oci_layer;
  out.size = static_cast<int64_t>(blob.bytes);
  out.digest = blob.digest.str();
  return out;
}

static std::string layer_sources(const std::vector<const SavedBlob*>& blobs) {
  std::map<std::string, std::string> sources;
  for (const auto* blob : blobs) sources[blob->diff.str()] = go_json::encode(descriptor_of(*blob));
  std::string out;
  for (const auto& [diff, source] : sources) out += (out.empty() ? "" : ",") + go_json::quote(diff) + ":" + source;
  return out;
}

std::string manifest_item(const SavedImage& image, const ManifestItem& item) {
  const go_json::Strings tags = image.tags.empty() ? std::nullopt : go_json::Strings(image.tags);
  std::string out = "{\"Config\":" + go_json::quote(item.config) + ",\"RepoTags\":" + go_json::encode(tags) +
                    ",\"Layers\":" + go_json::encode(go_json::Strings(item.layers));
  if (image.parent) out += ",\"Parent\":" + go_json::quote(image.parent->str());
  if (!item.described.empty()) out += ",\"LayerSources\":{" + layer_sources(item.described) + "}";
  return out + "}";
}

namespace {

class DockerForm {
 public:
  explicit DockerForm(const SavePlan& plan) : plan_(plan) {}

  std::vector<ArchiveMember> members() {
    for (const auto& image : plan_.images) add(image);
    add_text("manifest.json", "[" + manifest_ + "]\n", 0);
    if (!repositories_.empty()) add_text("repositories", repositories(), 0);
    // The order of a walk through the directory that engines make of an archive.
    std::sort(members_.begin(), members_.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
    return std::move(members_);
  }

 private:
  void add_text(const std::string& name, std::string text, int64_t mtime) {
    members_.push_back({name, TarType::file, mtime, std::move(text)});
  }

  void add(const SavedImage& image) {
    ManifestItem item{image.id.hex() + ".json", {}, {}};
    const auto layers = v1_layers(image.config, image.diffs);
    for (size_t i = 0; i < layers.size(); ++i) {
      const SavedBlob& blob = plan_.blobs[image.blobs[i]];
      add(layers[i], blob, image.created);
      // Not the link: skopeo cannot follow one that leads to another image.
      item.layers.push_back(paths_.at(&blob));
      if (blob.left_out) item.described.push_back(&blob);
    }
    add_text(item.config, image.config, image.created);
    manifest_ += (manifest_.empty() ? "" : ",") + manifest_item(image, item);
    for (const auto& tag : image.tags)
      if (const size_t colon = tag.rfind(':'); !layers.empty())
        repositories_[tag.substr(0, colon)][tag.substr(colon + 1)] = layers.back().id;
  }

  void add(const V1Layer& layer, const SavedBlob& blob, int64_t mtime) {
    if (!directories_.insert(layer.id).second) return;
    members_.push_back({layer.id + "/", TarType::directory, mtime});
    add_text(layer.id + "/VERSION", "1.0", mtime);
    add_text(layer.id + "/json", layer.json, mtime);
    const std::string path = layer.id + "/layer.tar";
    const auto [known, fresh] = paths_.emplace(&blob, path);
    if (blob.left_out) return;
    if (fresh)
      members_.push_back({path, TarType::file, mtime, "", &blob});
    else
      members_.push_back({path, TarType::symlink, mtime, "../" + known->second});
  }

  std::string repositories() const {
    std::string out;
    for (const auto& [name, tags] : repositories_)
      out += (out.empty() ? "{" : ",") + go_json::quote(name) + ":" + go_json::encode(go_json::StringMap(tags));
    return out + "}\n";
  }

  const SavePlan& plan_;
  std::vector<ArchiveMember> members_;
  std::set<std::string> directories_;
  std::map<const SavedBlob*, std::string> paths_;
  std::string manifest_;
  std::map<std::string, std::map<std::string, std::string>> repositories_;
};

}  // namespace

std::vector<ArchiveMember> docker_members(const SavePlan& plan) { return DockerForm(plan).members(); }

}  // namespace cairn
