// What engines left half done, or forgot: it is no damage and stays where it is, but takes space.
#pragma once

#include <vector>

#include "core/migrate/migrate.h"

namespace cairn {

// A directory of the driver that nothing refers to.
MigratedState left_over_layer(const LayerId& id);

// It was being made or removed: not all that makes a layer need be there.
bool is_unfinished(const LayerId& id);

// Whether engines make such a directory: the others of a driver's are not layers.
bool may_be_left_over(const LayerId& id);

// What of graph/ is no image, but was one being made or removed.
std::vector<MigratedState> left_over_in_graph(int root_fd);

}  // namespace cairn
