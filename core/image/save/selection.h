// Which images are meant when several are named at once, as `docker save` takes names.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/digest/digest.h"
#include "core/interfaces/catalog.h"

namespace cairn {

struct ChosenImage {
  ImageId id;
  std::vector<std::string> tags;  // familiar; those it was asked for by, or all of a repository named without tag
};

// In the order of `references`, each image once. A repository without a tag means all its tags; an ID or a digest
// brings an image without names. Errc::not_found if one of them means nothing, Errc::invalid if it fits several IDs.
std::vector<ChosenImage> choose_images(std::span<const CatalogImage> images, std::span<const std::string> references);

}  // namespace cairn
