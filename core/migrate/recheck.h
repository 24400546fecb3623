// What an unfinished migration made is looked at before the next run builds on it: files of it may have gone meanwhile.
// Names, sizes and times are compared, nothing is read. What lacks something is removed, to be made again.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "core/layer/layer_store.h"
#include "core/migrate/migrate.h"
#include "core/migrate/place_layers.h"

namespace cairn {

// Of `places` (parents first) those that the target has no longer: they lacked something, or lay on one that did.
std::set<ChainId> drop_incomplete(const SourceTrees& source, const MigrationTarget& target,
                                  const std::vector<LayerPlace>& places, LayerStore& layers);

// Whether the target has all of a container: its record, its layers as the source's of the same names show them, its
// files.
bool has_container(const SourceTrees& source, const std::filesystem::path& source_root, const MigrationTarget& target,
                   const MountRecord& wanted);

// The two directories show the same tree, as far as can be told without reading files.
bool looks_same(Fd one, Fd other);

}  // namespace cairn
