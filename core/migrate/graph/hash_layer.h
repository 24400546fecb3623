// The first half of migrating a layer: its DiffID, from its recorded tar where tar-split data allows, else from a fresh
// diff against its parent, as Docker 1.10 did (formats: migration-v1, 4).
#pragma once

#include "core/interfaces/driver.h"
#include "core/interfaces/progress.h"
#include "core/migrate/migrate.h"
#include "core/migrate/source_trees.h"
#include "core/migrate/state.h"

namespace cairn {

// Thread-safe for different images. Throws if neither way works.
HashedLayer hash_layer(const MigrationSource& source, const LegacyImage& image, const SourceTrees& trees,
                       MigrationState& state, Progress& progress);

}  // namespace cairn
