#include "graphdb/catalog/names.h"

#include <algorithm>

#include "core/image/reference.h"
#include "core/util/error.h"

namespace cairn {

void ImageNames::add(const std::string& image, const std::string& reference) {
  auto& names = reference.find('@') == std::string::npos ? tags_ : digests_;
  names[image].push_back(reference);
}

void ImageNames::sort() {
  for (auto* names : {&tags_, &digests_})
    for (auto& [image, references] : *names) {
      std::sort(references.begin(), references.end());
      references.erase(std::unique(references.begin(), references.end()), references.end());
    }
}

static std::vector<std::string> at(const std::map<std::string, std::vector<std::string>>& names,
                                   const std::string& image) {
  const auto it = names.find(image);
  return it == names.end() ? std::vector<std::string>() : it->second;
}

std::vector<std::string> ImageNames::tags(const std::string& image) const { return at(tags_, image); }
std::vector<std::string> ImageNames::digests(const std::string& image) const { return at(digests_, image); }

static std::string familiar(const std::string& name) {
  try {
    return parse_reference(name).familiar();
  } catch (const Error&) {
    return "";  // an ID, or what older engines allowed
  }
}

std::string ImageNames::shown(const std::string& image, const std::string& made_from) const {
  const std::string wanted = familiar(made_from);
  const auto tags = at(tags_, image), digests = at(digests_, image);
  if (std::find(tags.begin(), tags.end(), wanted) != tags.end() ||
      std::find(digests.begin(), digests.end(), wanted) != digests.end())
    return made_from;
  return tags.empty() ? image : tags.front();
}

}  // namespace cairn
