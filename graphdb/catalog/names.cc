#include "graphdb/catalog/names.h"

#include <algorithm>
#include <string_view>

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

std::string ImageNames::shown(const std::string& image, const std::string& made_from) const {
  const size_t slash = made_from.rfind('/');
  const bool tagged = made_from.find_first_of(":@", slash == std::string::npos ? 0 : slash) != std::string::npos;
  const std::string wanted = familiar_name(made_from) + (tagged ? "" : ":latest");
  const auto tags = at(tags_, image), digests = at(digests_, image);
  if (std::find(tags.begin(), tags.end(), wanted) != tags.end() ||
      std::find(digests.begin(), digests.end(), wanted) != digests.end())
    return made_from;
  return tags.empty() ? image : tags.front();
}

std::string familiar_name(std::string name) {
  for (const std::string_view host : {"docker.io/", "index.docker.io/"})
    if (name.starts_with(host)) name.erase(0, host.size());
  constexpr std::string_view official = "library/";
  if (name.starts_with(official) && name.find('/', official.size()) == std::string::npos)
    name.erase(0, official.size());
  return name;
}

}  // namespace cairn
