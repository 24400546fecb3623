// Which images `images` shows, and how an image becomes rows.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "cli/output/age.h"
#include "core/interfaces/catalog.h"

namespace cairn {

bool is_dangling(const CatalogImage& image);      // no name, and nothing builds on it
bool is_intermediate(const CatalogImage& image);  // no name, but something does

// "busybox:1.36" -> {"busybox", "1.36"}; "name@sha256:…" -> {"name", "sha256:…"}.
std::pair<std::string, std::string> split_reference(const std::string& familiar);

// Go's path.Match of `pattern` against "name:tag", "name@digest" or "name".
bool reference_matches(const std::string& pattern, const std::string& familiar);

// --filter values. Keys: dangling, label, before, since, reference. Different keys narrow one another, and so do
// labels; several references widen.
class ImageFilter {
 public:
  using Labels = std::function<std::map<std::string, std::string>(const CatalogImage&)>;
  using Created = std::function<Instant(const std::string& reference)>;  // of an image the user named; throws UserError

  ImageFilter(const std::vector<std::string>& filters, const Created& created_of);  // UserError for an unknown key
  void add_reference(const std::string& pattern) { references_.push_back(pattern); }

  // True if the image is shown; its names are then reduced to those that match.
  bool accepts(CatalogImage& image, const Labels& labels) const;

 private:
  bool labels_match(const CatalogImage& image, const Labels& labels) const;
  bool keep_matching_names(CatalogImage& image) const;

  std::optional<bool> dangling_;
  std::optional<Instant> before_, since_;
  std::vector<std::pair<std::string, std::optional<std::string>>> labels_;
  std::vector<std::string> references_;
};

struct ImageRow {
  std::string repository, tag, digest;  // "<none>" where there is none
};
// One row per tag; with digests one per tag and digest of the same repository; names that are only digests come last.
std::vector<ImageRow> rows_of(const CatalogImage& image, bool digests);

}  // namespace cairn
