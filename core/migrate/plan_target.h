// What every plan asks of the target: is it ours to write, and does it have the space; and how long it will take.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "core/migrate/migrate.h"
#include "core/util/fd.h"

namespace cairn {

// The directory, or what is there of the way to it.
Fd nearest_directory(const std::filesystem::path& path);

// Nothing is in it, or an unfinished migration, whose source MigrationState checks.
bool is_fresh(int root_fd);
[[noreturn]] void refuse_target(const std::filesystem::path& target, const std::filesystem::path& source);

// What of a container is copied, whatever the file system can share.
struct ContainerParts {
  std::vector<LayerId> layers;   // its own: writable and init
  std::optional<LayerId> below;  // the image's, in the source
  std::string image_layer;       // the same among the plan's layers
};

// Fills in the bytes of the planned containers. `parts`: of each container of the plan, in its order. Where only
// mounting would tell, the container counts as one of unknown size.
void measure_containers(const Driver& source, const std::filesystem::path& root, const MigrationTarget& target,
                        const std::vector<ContainerParts>& parts, const MigrateOptions& options, MigrationPlan& plan);

// The last step of a plan: bytes_to_copy, bytes_free, links, sample and seconds from all else that is in it. Throws
// Errc::no_space if that does not fit. `passes`: how often bytes_to_hash are hashed.
void plan_space(const Driver& source, const MigrationTarget& target, const MigrateOptions& options, unsigned passes,
                MigrationPlan& plan);

// The tars of files of `content` bytes in all, headers included.
uint64_t tar_bytes(const DiskSample& sample, uint64_t content);
// All that a run tells its Progress of. `passes`: how often bytes_to_hash are hashed.
uint64_t bytes_to_go_through(const MigrationPlan& plan, const MigrateOptions& options, unsigned passes);

}  // namespace cairn
