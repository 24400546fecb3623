// The two forms of an archive: which members it has.
#pragma once

#include <vector>

#include "core/image/save/archive_file.h"
#include "core/image/save/saved_image.h"

namespace cairn {

// `plan` outlives the members.
std::vector<ArchiveMember> docker_members(const SavePlan& plan);
std::vector<ArchiveMember> oci_members(const SavePlan& plan);

// One image of manifest.json.
struct ManifestItem {
  std::string config;               // member
  std::vector<std::string> layers;  // members
  // Those that LayerSources describes. Engines of 25 and later list all; older ones do not look at it.
  std::vector<const SavedBlob*> described;
};
std::string manifest_item(const SavedImage& image, const ManifestItem& item);

Descriptor descriptor_of(const SavedBlob& blob);

}  // namespace cairn
