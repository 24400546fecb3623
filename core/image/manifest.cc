#include "core/image/manifest.h"

#include <algorithm>

#include "core/digest/digest.h"
#include "core/image/schema1.h"
#include "core/util/error.h"

namespace cairn {

std::string Descriptor::annotation(const std::string& key) const {
  if (!annotations) return "";
  const auto found = annotations->find(key);
  return found == annotations->end() ? "" : found->second;
}

bool Descriptor::is_attestation() const {
  return annotation("vnd.docker.reference.type") == "attestation-manifest" ||
         (platform && platform->os == "unknown" && platform->architecture == "unknown");
}

Digest digest_of(const Descriptor& descriptor) {
  const auto digest = Digest::parse(descriptor.digest);
  if (!digest)
    throw Error(Errc::corrupt,
                "reading a descriptor: '" + printable(descriptor.digest, 160) + "' is not a sha256 digest");
  return *digest;
}

Manifest parse_manifest(std::string_view text) {
  Manifest out;
  bool is_index = false, is_schema1 = false;
  for (const auto& member : go_json::members(text)) {
    const bool null = go_json::kind_of(member.raw) == go_json::Kind::null;
    const auto is = [&](std::string_view field) { return go_json::key_matches(member.key, field); };
    if (is("mediaType")) go_json::decode(member.raw, out.media_type);
    if (is("manifests") && !null) is_index = true, go_json::decode(member.raw, out.manifests);
    if (is("fsLayers") && !null) is_schema1 = true;
    if (is("config")) go_json::decode(member.raw, out.config);
    if (is("layers")) go_json::decode(member.raw, out.layers);
  }
  const auto check_size = [](const Descriptor& blob) {
    if (blob.size < 0) throw Error(Errc::corrupt, "reading a descriptor: its size is " + std::to_string(blob.size));
  };
  // It becomes a line of a request's head when the manifest goes to another registry.
  if (!std::all_of(out.media_type.begin(), out.media_type.end(), [](char c) { return c > ' ' && c < 0x7f; }))
    throw Error(Errc::corrupt, "reading a manifest: '" + printable(out.media_type, 80) + "' is no media type");
  for (const auto* list : {&out.manifests, &out.layers}) std::for_each(list->begin(), list->end(), check_size);
  if (out.config) check_size(*out.config);
  const bool is_image = out.config || !out.layers.empty();
  if (is_index + is_schema1 + is_image > 1)
    throw Error(Errc::corrupt, is_index
                                   ? "reading a manifest: it is an index too, which of them is meant cannot be told"
                                   : "reading a manifest: it is of schema 1 too, which is meant cannot be told");
  out.kind = is_index ? Manifest::Kind::index : is_schema1 ? Manifest::Kind::schema1 : Manifest::Kind::image;
  return out;
}

Digest manifest_digest(const std::string& bytes) {
  return Digest::of(parse_manifest(bytes).kind == Manifest::Kind::schema1 ? schema1_payload(bytes) : bytes);
}

std::string media_type_of(const Manifest& manifest) {
  if (!manifest.media_type.empty()) return manifest.media_type;
  const auto is_docker = [](const Descriptor& one) { return one.media_type.starts_with("application/vnd.docker."); };
  switch (manifest.kind) {
    case Manifest::Kind::index:
      return std::string(!manifest.manifests.empty() && is_docker(manifest.manifests.front())
                             ? media_type::manifest_list
                             : media_type::oci_index);
    case Manifest::Kind::schema1:
      return std::string(media_type::signed_schema1);
    case Manifest::Kind::image:
      break;
  }
  return std::string(manifest.config && is_docker(*manifest.config) ? media_type::schema2 : media_type::oci_manifest);
}

static int fit(const Platform& wanted, const Descriptor& manifest) {
  return manifest.platform ? platform_fit(wanted, *manifest.platform) : 1;
}

static std::string platforms_of(const std::vector<Descriptor>& found) {
  constexpr size_t shown = 20;
  std::string out;
  for (size_t i = 0; i < std::min(found.size(), shown); ++i)
    out += (i == 0 ? "" : ", ") + printable(found[i].platform->text(), 60);
  return out;
}

std::vector<Descriptor> best_for(const Platform& wanted, std::vector<Descriptor> found, bool lenient) {
  std::erase_if(found, [](const Descriptor& manifest) { return manifest.is_attestation(); });
  if (found.empty() || (lenient && found.size() == 1)) return found;
  int top = 0;
  for (const auto& manifest : found) top = std::max(top, fit(wanted, manifest));
  if (top == 0)
    throw Error(Errc::not_found,
                "choosing an image: none is for " + wanted.text() + ", there are " + platforms_of(found));
  std::erase_if(found, [&](const Descriptor& manifest) { return fit(wanted, manifest) != top; });
  return found;
}

// Go's MarshalIndent(…, "", "   ") of what encode() writes without any white space.
static std::string indented(const std::string& compact) {
  std::string out, line_start = "\n";
  bool quoted = false;
  for (size_t i = 0; i < compact.size(); ++i) {
    const char c = compact[i];
    if (quoted) {
      out += c;
      if (c == '\\') out += compact[++i];
      if (c == '"') quoted = false;
    } else if (c == '{' || c == '[') {
      out += c;
      const char next = compact[i + 1];
      if (next == '}' || next == ']') {
        out += next, ++i;
      } else {
        line_start += "   ";
        out += line_start;
      }
    } else if (c == '}' || c == ']') {
      line_start.resize(line_start.size() - 3);
      out += line_start + c;
    } else {
      out += c;
      if (c == ',') out += line_start;
      if (c == ':') out += ' ';
      quoted = c == '"';
    }
  }
  return out;
}

std::string encode_manifest(std::string_view media_type, const Descriptor& config, std::span<const Descriptor> layers) {
  std::string out = "{\"schemaVersion\":2,\"mediaType\":" + go_json::quote(media_type) +
                    ",\"config\":" + go_json::encode(config) + ",\"layers\":[";
  for (size_t i = 0; i < layers.size(); ++i) out += (i == 0 ? "" : ",") + go_json::encode(layers[i]);
  return indented(out + "]}");
}

}  // namespace cairn
