// Names of images as users and registries write them (formats: registry, 4), and the familiar form Docker stores.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cairn {

struct Reference {
  std::string domain;  // "docker.io", "localhost:5000"
  std::string path;    // "library/busybox"
  std::string tag;     // "" if none
  std::string digest;  // "sha256:…", or sha384, sha512; "" if none

  std::string name() const;        // "docker.io/library/busybox"
  std::string repository() const;  // familiar: "busybox", "localhost:5000/x"
  std::string familiar()
      const;  // what repositories.json has as key: "busybox:1", "busybox@sha256:…"; a digest beats a tag
  std::string text() const;  // familiar, with tag and digest when there are both
  bool operator==(const Reference&) const = default;
};

// "name[:tag][@digest]", normalised; without tag and digest the tag is "latest". Errc::invalid says what is wrong with
// it.
Reference parse_reference(std::string_view text);
// The same, and no default tag.
Reference parse_repository(std::string_view text);

bool is_tag(std::string_view text) noexcept;
bool is_digest(std::string_view text) noexcept;  // sha256, sha384 or sha512 of the right length

// An entry of a pre-1.10 repositories file as Docker 1.10 migrated it: either `familiar`, or `error` says why there is
// none.
struct LegacyReference {
  std::string familiar, error;
};
LegacyReference reference_from_v1(const std::string& repository, const std::string& tag_or_digest);

// The hex digits when `text` can be the (beginning of an) image or container ID, "sha256:" in front allowed.
std::optional<std::string> id_prefix(std::string_view text);

}  // namespace cairn
