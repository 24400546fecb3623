#include <fcntl.h>
#include <unistd.h>

#include <set>

#include "core/migrate/migrate.h"
#include "core/util/error.h"

namespace cairn {

// What the graph is called once it is to go: engines do not look there, and a later run finds which layers it had.
static constexpr const char* kOldGraph = ".cairn-old-graph";

// Directories of ids whose content another id's directory stands for: nothing refers to them any more.
static void remove_duplicates(int graph_fd, const MigrationTarget& target) {
  std::set<LayerId> named;
  for (const auto& layer : target.metadata.layers().list()) named.insert(layer.cache_id);
  for (const auto& name : list_dir(graph_fd)) {
    if (!is_hex64(name) || named.contains(LayerId(name))) continue;
    try {
      target.driver.remove(LayerId(name));
    } catch (const Error& e) {
      if (e.code() != Errc::unsupported) throw;  // overlay (v1) is not written to: its duplicates stay
      return;
    }
  }
}

bool has_source_to_remove(const std::filesystem::path& root) {
  return exists_at(AT_FDCWD, (root / kOldGraph).string());
}

void finish_removal(const MigrationTarget& target) {
  const Fd root = open_dir(target.root.string());
  for (const auto& id : target.metadata.containers().list())
    if (exists_at(root.get(), "containers/" + id + "/config.v2.json"))
      remove_tree_at(root.get(), "containers/" + id + "/config.json");
  remove_tree_at(root.get(), "repositories-" + std::string(target.driver.name()));
  remove_tree_at(root.get(), "linkgraph.db");
  remove_duplicates(open_dir_at(root.get(), kOldGraph).get(), target);
  remove_tree_at(root.get(), kOldGraph);
  fsync_fd(root.get(), target.root.string());
}

void remove_source(const MigrationSource& source, const MigrationTarget& target, const MigrationReport& report) {
  if (!report.complete())
    throw Error(Errc::invalid, "removing the old layout of '" + source.root.string() +
                                   "': not all of it was migrated and verified; see what failed, nothing was removed");
  if (target.guard) target.guard();
  const Fd root = open_dir(target.root.string());
  sync_file_system(root.get());
  if (::renameat(root.get(), "graph", root.get(), kOldGraph) != 0) throw_errno("removing 'graph'");
  fsync_fd(root.get(), target.root.string());
  finish_removal(target);
}

}  // namespace cairn
