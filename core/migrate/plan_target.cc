#include "core/migrate/plan_target.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "core/util/error.h"

namespace cairn {

Fd nearest_directory(const std::filesystem::path& path) {
  for (std::filesystem::path at = std::filesystem::absolute(path);; at = at.parent_path())
    if (auto fd = try_open_at(AT_FDCWD, at.string(), O_RDONLY | O_DIRECTORY)) return std::move(*fd);
}

bool is_fresh(int root_fd) {
  if (exists_at(root_fd, ".cairn-migration")) return true;
  const auto names = list_dir(root_fd);
  return names.empty() || (names.size() == 1 && names[0] == "lost+found");
}

void refuse_target(const std::filesystem::path& target, const std::filesystem::path& source) {
  throw Error(Errc::already_exists, "opening the target '" + target.string() +
                                        "': it is neither empty nor an earlier migration of '" + source.string() +
                                        "'; choose another directory");
}

void plan_space(const Driver& source, const MigrationTarget& target, const MigrateOptions& options,
                uint64_t bytes_unshared, MigrationPlan& plan) {
  const Fd root = nearest_directory(target.root);
  struct stat a, b;
  struct statvfs space;
  if (::fstat(source.home_fd(), &a) != 0 || ::fstat(root.get(), &b) != 0 || ::fstatvfs(root.get(), &space) != 0)
    throw_errno("reading the free space of '" + target.root.string() + "'");
  plan.linked = options.in_place || a.st_dev == b.st_dev;
  plan.bytes_free = static_cast<uint64_t>(space.f_bavail) * space.f_frsize;
  if (!plan.linked) plan.bytes_to_copy = bytes_unshared;
  plan.seconds =
      static_cast<double>(plan.bytes_to_hash) / (2e8 * options.jobs) + static_cast<double>(plan.bytes_to_copy) / 5e8;
  if (plan.bytes_to_copy > plan.bytes_free)
    throw Error(Errc::no_space, "planning the migration to '" + target.root.string() + "': it needs " +
                                    std::to_string(plan.bytes_to_copy) + " bytes and the file system has " +
                                    std::to_string(plan.bytes_free) +
                                    " free; choose a larger one, or the source's own");
}

}  // namespace cairn
