// Names of images as people write them, gathered per image.
#pragma once

#include <map>
#include <string>
#include <vector>

namespace cairn {

class ImageNames {
 public:
  // `reference` is "name:tag" or "name@digest".
  void add(const std::string& image, const std::string& reference);
  void sort();

  std::vector<std::string> tags(const std::string& image) const;
  std::vector<std::string> digests(const std::string& image) const;
  // What `ps` shows for a container: the name it was made from while that still names the image, else a tag, else
  // the id.
  std::string shown(const std::string& image, const std::string& made_from) const;

 private:
  std::map<std::string, std::vector<std::string>> tags_, digests_;
};

}  // namespace cairn
