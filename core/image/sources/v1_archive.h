// What `docker save` wrote up to 1.9: a directory per image and a file `repositories`. Configurations and IDs are made
// of it as the migration of such images makes them.
#pragma once

#include <map>

#include "core/image/sources/archive.h"

namespace cairn {

struct V1Image {
  std::string json, parent;  // "" for a base image
  ArchiveLayer layer;
  std::string error;  // why it cannot be used, "" if it can
};

struct V1Archive {
  std::map<std::string, V1Image> images;        // by v1 id; parents of usable images are there and usable
  std::map<std::string, std::string> tags;      // familiar name -> v1 id
  std::map<std::string, std::string> bad_tags;  // as written -> what is wrong with it
};

// nullopt if there is neither `repositories` nor an image's directory.
std::optional<V1Archive> read_v1_archive(const Archive& archive);

}  // namespace cairn
