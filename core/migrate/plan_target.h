// What every plan asks of the target: is it ours to write, and does it have the space.
#pragma once

#include <cstdint>
#include <filesystem>

#include "core/migrate/migrate.h"
#include "core/util/fd.h"

namespace cairn {

// The directory, or what is there of the way to it.
Fd nearest_directory(const std::filesystem::path& path);

// Nothing is in it, or an unfinished migration, whose source MigrationState checks.
bool is_fresh(int root_fd);
[[noreturn]] void refuse_target(const std::filesystem::path& target, const std::filesystem::path& source);

// Fills in bytes_to_copy, bytes_free, linked and seconds from bytes_to_hash and `bytes_unshared`, what would be written
// if nothing can be shared. Throws Errc::no_space if that does not fit.
void plan_space(const Driver& source, const MigrationTarget& target, const MigrateOptions& options,
                uint64_t bytes_unshared, MigrationPlan& plan);

}  // namespace cairn
