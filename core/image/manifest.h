// Manifests of images and indexes of them: Docker's schema 2 and OCI's, which differ in media types only (formats:
// registry, 3). A manifest is named by the digest of its exact bytes, so bytes are kept and never written anew.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "core/digest/digest.h"
#include "core/image/platform.h"
#include "core/json/go_struct.h"

namespace cairn {

namespace media_type {
inline constexpr std::string_view schema1 = "application/vnd.docker.distribution.manifest.v1+json",
                                  signed_schema1 = "application/vnd.docker.distribution.manifest.v1+prettyjws",
                                  schema2 = "application/vnd.docker.distribution.manifest.v2+json",
                                  manifest_list = "application/vnd.docker.distribution.manifest.list.v2+json",
                                  docker_config = "application/vnd.docker.container.image.v1+json",
                                  docker_layer = "application/vnd.docker.image.rootfs.diff.tar.gzip",
                                  oci_manifest = "application/vnd.oci.image.manifest.v1+json",
                                  oci_index = "application/vnd.oci.image.index.v1+json",
                                  oci_config = "application/vnd.oci.image.config.v1+json",
                                  oci_layer = "application/vnd.oci.image.layer.v1.tar",
                                  oci_gzip_layer = "application/vnd.oci.image.layer.v1.tar+gzip";
}

struct ManifestPlatform : Platform {
  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {
    visit("architecture", self.architecture, go_json::Omit::never);
    visit("os", self.os, go_json::Omit::never);
    visit("variant", self.variant, go_json::Omit::empty);
  }
};

// What a manifest or an index says of a blob. `digest` is as written: not checked.
struct Descriptor {
  std::string media_type, digest;
  int64_t size = 0;  // bytes
  go_json::Strings urls;
  go_json::StringMap annotations;
  std::optional<ManifestPlatform> platform;

  template <typename Self, typename Visit>
  static void fields(Self& self, Visit&& visit) {  // in the order Docker writes them
    visit("mediaType", self.media_type, go_json::Omit::never);
    visit("size", self.size, go_json::Omit::never);
    visit("digest", self.digest, go_json::Omit::never);
    visit("urls", self.urls, go_json::Omit::empty);
    visit("annotations", self.annotations, go_json::Omit::empty);
    visit("platform", self.platform, go_json::Omit::empty);
  }
  std::string annotation(const std::string& key) const;  // "" if there is none
  // Provenance and signatures that builders put beside an image.
  bool is_attestation() const;
};

// Errc::corrupt unless `descriptor.digest` is a sha256 digest.
Digest digest_of(const Descriptor& descriptor);

struct Manifest {
  enum class Kind { image, index, schema1 } kind = Kind::image;
  std::string media_type;             // as the document says, "" if it does not
  std::vector<Descriptor> manifests;  // of an index
  std::optional<Descriptor> config;
  std::vector<Descriptor> layers;  // base first
};

// By its fields: media types are not to be relied on. Errc::corrupt for what is no manifest, or two kinds at once.
Manifest parse_manifest(std::string_view text);

// What names a manifest: the sha256 of its bytes, or for schema 1 of what its signature covers. Errc::corrupt if that
// cannot be told.
Digest manifest_digest(const std::string& bytes);

// The media type to send a manifest of these bytes with: what it says of itself, else what its fields mean.
std::string media_type_of(const Manifest& manifest);

// Those of `found` that fit `wanted` best, attestations left out. A single one is taken whatever it is for when
// `lenient`. Errc::not_found, listing what there is, when none fits.
std::vector<Descriptor> best_for(const Platform& wanted, std::vector<Descriptor> found, bool lenient);

// A manifest of schema 2 as Docker writes it (indented by three blanks), or of OCI; media types come with the
// descriptors.
std::string encode_manifest(std::string_view media_type, const Descriptor& config, std::span<const Descriptor> layers);

}  // namespace cairn
