#include "cli/image_filter.h"

#include <fnmatch.h>

#include <algorithm>

#include "cli/exit.h"

namespace cairn {

static bool has_name(const CatalogImage& image) { return !image.tags.empty() || !image.digests.empty(); }
bool is_dangling(const CatalogImage& image) { return !has_name(image) && !image.has_children; }
bool is_intermediate(const CatalogImage& image) { return !has_name(image) && image.has_children; }

std::pair<std::string, std::string> split_reference(const std::string& familiar) {
  const size_t at = familiar.find('@');
  if (at != familiar.npos) return {familiar.substr(0, at), familiar.substr(at + 1)};
  const size_t slash = familiar.rfind('/');
  const size_t colon = familiar.rfind(':');
  if (colon == familiar.npos || (slash != familiar.npos && colon < slash)) return {familiar, ""};
  return {familiar.substr(0, colon), familiar.substr(colon + 1)};
}

bool reference_matches(const std::string& pattern, const std::string& familiar) {
  const auto matches = [&](const std::string& text) {
    return ::fnmatch(pattern.c_str(), text.c_str(), FNM_PATHNAME) == 0;
  };
  return matches(familiar) || matches(split_reference(familiar).first);
}

static bool read_bool(const std::string& value) {
  if (value == "true" || value == "1" || value == "t" || value == "T" || value == "True" || value == "TRUE")
    return true;
  if (value == "false" || value == "0" || value == "f" || value == "F" || value == "False" || value == "FALSE")
    return false;
  throw UserError(Errc::invalid, "reading the filter 'dangling=" + printable(value) + "': neither true nor false");
}

ImageFilter::ImageFilter(const std::vector<std::string>& filters, const Created& created_of) {
  for (const auto& filter : filters) {
    const size_t equals = filter.find('=');
    if (equals == filter.npos)
      throw UserError(Errc::invalid, "reading the filter '" + printable(filter) + "': it is not KEY=VALUE");
    const std::string key = filter.substr(0, equals), value = filter.substr(equals + 1);
    if (key == "dangling") {
      dangling_ = read_bool(value);
    } else if (key == "before") {
      before_ = created_of(value);
    } else if (key == "since") {
      since_ = created_of(value);
    } else if (key == "reference") {
      references_.push_back(value);
    } else if (key == "label") {
      const size_t sign = value.find('=');
      labels_.emplace_back(value.substr(0, sign),
                           sign == value.npos ? std::nullopt : std::optional(value.substr(sign + 1)));
    } else {
      throw UserError(Errc::invalid, "reading the filter '" + printable(filter) +
                                         "': no such key; there are dangling, " + "label, before, since and reference");
    }
  }
}

bool ImageFilter::labels_match(const CatalogImage& image, const Labels& labels) const {
  if (labels_.empty()) return true;
  const auto present = labels(image);
  return std::all_of(labels_.begin(), labels_.end(), [&](const auto& wanted) {
    const auto found = present.find(wanted.first);
    return found != present.end() && (!wanted.second || *wanted.second == found->second);
  });
}

bool ImageFilter::keep_matching_names(CatalogImage& image) const {
  if (references_.empty()) return true;
  const auto unwanted = [&](const std::string& name) {
    return std::none_of(references_.begin(), references_.end(),
                        [&](const std::string& pattern) { return reference_matches(pattern, name); });
  };
  std::erase_if(image.tags, unwanted);
  std::erase_if(image.digests, unwanted);
  return has_name(image);
}

bool ImageFilter::accepts(CatalogImage& image, const Labels& labels) const {
  if (dangling_ && !(*dangling_ ? is_dangling(image) : has_name(image))) return false;
  if (before_ || since_) {
    const auto created = parse_time(image.created);
    if (!created || (before_ && !(*created < *before_)) || (since_ && !(*created > *since_))) return false;
  }
  return keep_matching_names(image) && labels_match(image, labels);
}

std::vector<ImageRow> rows_of(const CatalogImage& image, bool digests) {
  static const std::string none = "<none>";
  std::map<std::string, std::vector<std::string>> digests_of;
  for (const auto& name : image.digests)
    digests_of[split_reference(name).first].push_back(split_reference(name).second);
  std::vector<ImageRow> rows;
  std::vector<std::string> tagged;
  for (const auto& name : image.tags) {
    const auto [repository, tag] = split_reference(name);
    tagged.push_back(repository);
    const auto known = digests_of.find(repository);
    if (!digests || known == digests_of.end())
      rows.push_back({repository, tag, none});
    else
      for (const auto& digest : known->second) rows.push_back({repository, tag, digest});
  }
  for (const auto& repository : tagged) digests_of.erase(repository);
  for (const auto& [repository, known] : digests_of)
    for (const auto& digest : digests ? known : std::vector<std::string>{none})
      rows.push_back({repository, none, digest});
  if (rows.empty()) rows.push_back({none, none, none});
  return rows;
}

}  // namespace cairn
