#include "core/migrate/plan_target.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <algorithm>
#include <atomic>
#include <map>

#include "core/util/error.h"
#include "core/util/usage.h"
#include "core/util/workers.h"

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

namespace {

uint64_t size_of(const MigratedLayer& layer) { return static_cast<uint64_t>(std::max<int64_t>(layer.size, 0)); }

// Of each layer with all it lies on.
std::map<std::string, uint64_t> whole_sizes(const MigrationPlan& plan) {
  std::map<std::string, uint64_t> whole;
  for (const auto& layer : plan.layers) {
    const auto below = whole.find(layer.parent);
    whole[layer.source_id] = size_of(layer) + (below == whole.end() ? 0 : below->second);
  }
  return whole;
}

// What its directories take. A whole tree counts for what it has beyond the image's.
uint64_t own_layers(const Driver& source, const ContainerParts& parts) {
  const bool whole = source.layers_stand_alone() && parts.below && source.exists(*parts.below);
  const uint64_t below = whole ? source.disk_usage(*parts.below) : 0;
  uint64_t bytes = 0;
  for (const auto& layer : parts.layers)
    if (source.exists(layer)) {
      const uint64_t usage = source.disk_usage(layer);
      bytes += usage - std::min(usage, below);
    }
  return bytes;
}

LinkKind links_between(const Driver& source, const MigrationTarget& target, int target_fd) {
  struct stat a, b;
  if (::fstat(source.home_fd(), &a) != 0 || ::fstat(target_fd, &b) != 0)
    throw_errno("reading the status of '" + target.root.string() + "'");
  const bool directories = source.layers_are_directories() && target.driver.layers_are_directories();
  return directories && a.st_dev == b.st_dev ? links_of(target_fd) : LinkKind::none;
}

// Layers and what is copied. Writing is taken to be as fast as reading.
double seconds_for(const MigrationPlan& plan, const MigrateOptions& options, unsigned passes) {
  constexpr double kTouch = 3;      // a file linked or made costs that many times what looking at it does
  constexpr double kCommit = 0.03;  // making one thing durable
  const DiskSample& disk = plan.sample;
  uint64_t bytes = plan.bytes_to_copy;
  size_t layers = 0, copies = 0;
  for (const auto& layer : plan.layers)
    if (layer.status == "planned") ++layers, bytes += options.in_place ? 0 : size_of(layer);
  const auto planned = [](const auto& one) { return one.status == "planned"; };
  copies += static_cast<size_t>(std::count_if(plan.containers.begin(), plan.containers.end(), planned));
  copies += static_cast<size_t>(std::count_if(plan.state.begin(), plan.state.end(), planned));
  const double files = static_cast<double>(bytes) / std::max(disk.file_size, 1.0);
  const double hashed = passes * static_cast<double>(plan.bytes_to_hash) / disk.hash_rate;
  const double copied = 2 * static_cast<double>(plan.bytes_to_copy) / disk.read_rate;
  return hashed + copied + files * kTouch * disk.file_seconds / options.jobs +
         kCommit * static_cast<double>(layers / 64 + copies + 1);
}

}  // namespace

uint64_t tar_bytes(const DiskSample& sample, uint64_t content) {
  constexpr double kOfAFile = 512 + 256;  // its header, and on average half a block to the next
  return content +
         static_cast<uint64_t>(static_cast<double>(content) / std::max(sample.file_size, kOfAFile) * kOfAFile);
}

uint64_t bytes_to_go_through(const MigrationPlan& plan, const MigrateOptions& options, unsigned passes) {
  uint64_t out = passes * tar_bytes(plan.sample, plan.bytes_to_hash) + plan.bytes_to_copy;
  if (plan.links == LinkKind::none || options.in_place) return out;  // copied layers are in there already
  for (const auto& layer : plan.layers)
    if (layer.status == "planned") out += size_of(layer);
  return out;
}

void measure_containers(const Driver& source, const std::filesystem::path& root, const MigrationTarget& target,
                        const std::vector<ContainerParts>& parts, const MigrateOptions& options, MigrationPlan& plan) {
  if (options.in_place) return;
  const auto whole = whole_sizes(plan);
  const Fd root_fd = open_dir(root.string());
  std::atomic<size_t> unknown{0};
  run_parallel(options.jobs, parts.size(), [&](size_t i) {
    MigratedContainer& item = plan.containers[i];
    if (item.status != "planned") return;
    try {
      item.bytes = usage_of(open_dir_at(open_dir_at(root_fd.get(), "containers").get(), item.id).get()).on_disk;
      if (source.layers_are_directories())
        item.bytes += own_layers(source, parts[i]);
      else
        ++unknown;
      const auto image = whole.find(parts[i].image_layer);
      if (target.driver.layers_stand_alone() && image != whole.end())
        item.bytes += parts[i].layers.size() * image->second;
    } catch (const Error& e) {  // what is wrong with it is found out, and told, when it is copied
      if (e.code() == Errc::interrupted) throw;
      ++unknown;
    }
  });
  plan.containers_of_unknown_size = unknown;
}

void plan_space(const Driver& source, const MigrationTarget& target, const MigrateOptions& options, unsigned passes,
                MigrationPlan& plan) {
  const Fd root = nearest_directory(target.root);
  struct statvfs space;
  if (::fstatvfs(root.get(), &space) != 0) throw_errno("reading the free space of '" + target.root.string() + "'");
  plan.bytes_free = static_cast<uint64_t>(space.f_bavail) * space.f_frsize;
  plan.links = links_between(source, target, root.get());
  if (plan.links == LinkKind::none && !options.in_place) {
    const auto whole = whole_sizes(plan);
    for (const auto& layer : plan.layers)
      if (layer.status == "planned")
        plan.bytes_to_copy += target.driver.layers_stand_alone() ? whole.at(layer.source_id) : size_of(layer);
  }
  if (plan.links != LinkKind::reflink) {
    for (const auto& container : plan.containers) plan.bytes_to_copy += container.bytes;
    for (const auto& state : plan.state) plan.bytes_to_copy += state.bytes;
  }
  plan.sample = sample_disk(source.home_fd(), options.jobs);
  plan.seconds = seconds_for(plan, options, passes);
  if (plan.bytes_to_copy > plan.bytes_free)
    throw Error(Errc::no_space, "planning the migration to '" + target.root.string() + "': it needs " +
                                    std::to_string(plan.bytes_to_copy) + " bytes and the file system has " +
                                    std::to_string(plan.bytes_free) +
                                    " free; choose a larger one, or the source's own");
}

}  // namespace cairn
