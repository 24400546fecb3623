// What lies in a data root beside images and containers and belongs to no storage driver: volumes, networks, plugins,
// swarm, trust; and what is named as left behind, since it means nothing to another driver or is made anew.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "core/interfaces/progress.h"
#include "core/migrate/migrate.h"

namespace cairn {

// What of the source's root that is neither a driver's nor a graph's is to be carried, volumes one by one, and how
// large that is which the target does not have yet. Only reads.
std::vector<MigratedState> find_root_state(const std::filesystem::path& source, const std::filesystem::path& target,
                                           const MigrateOptions& options);

// Carries those that are planned (`resumed`: what is there is looked at, too); each is complete or absent, and one that
// fails stops no other. Throws for interrupts and full disks. Returns the bytes copied.
uint64_t carry_root_state(std::vector<MigratedState>& state, const std::filesystem::path& source,
                          const std::filesystem::path& target, const MigrateOptions& options, bool resumed,
                          Progress& progress);

// Some of its volumes lie in vfs/dir, as engines before 1.7 had them.
bool has_old_volumes(const std::filesystem::path& root);

// Names below volumes/ that hold data (in volumes/NAME/_data, or vfs/dir/NAME before 1.7), sorted; bind mounts are not.
std::set<std::string> volumes_of(const std::filesystem::path& root);

}  // namespace cairn
