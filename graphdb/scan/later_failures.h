// Damage of a content-addressed root that an engine meets only when it uses the layer.
#pragma once

#include <string>
#include <vector>

#include "core/interfaces/metadata_store.h"

namespace cairn {

void find_later_failures(int root_fd, const std::string& driver, const LayerMetadata& layers,
                         std::vector<Damage>& damage);

}  // namespace cairn
