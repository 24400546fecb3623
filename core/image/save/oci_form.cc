#include <algorithm>
#include <map>

#include "core/image/reference.h"
#include "core/image/save/forms.h"
#include "core/json/go_struct.h"

namespace cairn {
namespace {

std::string member_of(const Digest& digest) { return "blobs/sha256/" + digest.hex(); }

Descriptor describe(std::string_view type, const std::string& bytes) {
  Descriptor out;
  out.media_type = type;
  out.size = static_cast<int64_t>(bytes.size());
  out.digest = Digest::of(bytes).str();
  return out;
}

class OciForm {
 public:
  explicit OciForm(const SavePlan& plan) : plan_(plan) {}

  std::vector<ArchiveMember> members() {
    for (const auto& image : plan_.images) add(image);
    std::vector<ArchiveMember> out{{"blobs/", TarType::directory}, {"blobs/sha256/", TarType::directory}};
    for (auto& [name, member] : blobs_) out.push_back(std::move(member));
    const auto text = [&](const char* name, std::string content) {
      out.push_back({name, TarType::file, 0, std::move(content)});
    };
    text("index.json", "{\"schemaVersion\":2,\"mediaType\":" + go_json::quote(media_type::oci_index) +
                           ",\"manifests\":[" + index_ + "]}");
    text("manifest.json", "[" + manifest_ + "]\n");
    text("oci-layout", "{\"imageLayoutVersion\":\"1.0.0\"}");
    return out;
  }

 private:
  void add_text(const std::string& bytes) {
    const std::string name = member_of(Digest::of(bytes));
    blobs_.insert_or_assign(name, ArchiveMember{name, TarType::file, 0, bytes});
  }

  void add(const SavedImage& image) {
    ManifestItem item{member_of(image.id.value), {}, {}};
    std::vector<Descriptor> layers;
    for (const size_t index : image.blobs) {
      const SavedBlob& blob = plan_.blobs[index];
      item.layers.push_back(member_of(blob.digest));
      item.described.push_back(&blob);
      layers.push_back(descriptor_of(blob));
      if (!blob.left_out)
        blobs_.try_emplace(item.layers.back(), ArchiveMember{item.layers.back(), TarType::file, 0, "", &blob});
    }
    add_text(image.config);
    const std::string bytes =
        image.kept ? *image.kept
                   : encode_manifest(media_type::oci_manifest, describe(media_type::oci_config, image.config), layers);
    add_text(bytes);
    add_to_index(image, describe(media_type_of(parse_manifest(bytes)), bytes));
    manifest_ += (manifest_.empty() ? "" : ",") + manifest_item(image, item);
  }

  void add_to_index(const SavedImage& image, Descriptor manifest) {
    const auto entry = [&] { index_ += (index_.empty() ? "" : ",") + go_json::encode(manifest); };
    if (image.tags.empty()) entry();
    for (const auto& tag : image.tags) {
      const Reference name = parse_reference(tag);
      manifest.annotations = {{"io.containerd.image.name", name.name() + ":" + name.tag},
                              {"org.opencontainers.image.ref.name", name.tag}};
      entry();
    }
  }

  const SavePlan& plan_;
  std::map<std::string, ArchiveMember> blobs_;  // by name, which is their order
  std::string index_, manifest_;
};

}  // namespace

std::vector<ArchiveMember> oci_members(const SavePlan& plan) { return OciForm(plan).members(); }

}  // namespace cairn
