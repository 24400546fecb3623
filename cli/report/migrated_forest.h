// What a migration brought, as layers that lie on one another.
#pragma once

#include "cli/report/layer_forest.h"
#include "core/migrate/migrate.h"

namespace cairn {

LayerForest layer_forest(const MigrationReport& report);

}  // namespace cairn
