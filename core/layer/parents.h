#pragma once

#include <vector>

#include "core/interfaces/driver.h"

namespace cairn {

// What `id` lies on, nearest first. Parents that lead back to themselves are followed for a while, not for ever.
std::vector<LayerId> ancestors_in(const LayerParents& parents, const LayerId& id);

}  // namespace cairn
