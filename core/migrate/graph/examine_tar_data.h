#pragma once

#include <set>
#include <string>

#include "core/migrate/graph/selection.h"

namespace cairn {

// Reads the tar-split data of the selected images but those in `done`: what is cut off or another layer's is damage
// ("tar-data-unusable"), and the layer's hash would find the same.
void examine_tar_data(const MigrationSource& source, const std::set<std::string>& done, unsigned jobs,
                      Selection& selection);

}  // namespace cairn
