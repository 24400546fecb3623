// The first half of migrating a layer: its DiffID, from its recorded tar where tar-split data allows, else from a fresh
// diff against its parent, as Docker 1.10 did (formats: migration-v1, 4).
#pragma once

#include <set>

#include "core/interfaces/driver.h"
#include "core/interfaces/progress.h"
#include "core/migrate/migrate.h"
#include "core/migrate/state.h"

namespace cairn {

// Thread-safe for different images. Throws if neither way works.
HashedLayer hash_layer(const MigrationSource& source, const LegacyImage& image, MigrationState& state,
                       Progress& progress);

// The paths that the layer's own tar names (cleaned), for telling its files from its parents'.
std::set<std::string> tar_split_names(ByteSource& json_lines);

}  // namespace cairn
