#include <fcntl.h>
#include <unistd.h>

#include <set>

#include "core/migrate/migrate.h"
#include "core/util/error.h"

namespace cairn {

// Directories of ids whose content another id's directory stands for: nothing refers to them any more.
static void remove_duplicates(const MigrationTarget& target, const MigrationReport& report) {
  std::set<LayerId> named;
  for (const auto& layer : target.metadata.layers().list()) named.insert(layer.cache_id);
  for (const auto& layer : report.layers) {
    const LayerId id(layer.source_id);
    if (named.contains(id)) continue;
    try {
      target.driver.remove(id);
    } catch (const Error& e) {
      if (e.code() != Errc::unsupported) throw;  // overlay (v1) is not written to: its duplicates stay
      return;
    }
  }
}

void remove_source(const MigrationSource& source, const MigrationTarget& target, const MigrationReport& report) {
  if (!report.complete())
    throw Error(Errc::invalid, "removing the old layout of '" + source.root.string() +
                                   "': not all of it was migrated and verified; see what failed, nothing was removed");
  if (target.guard) target.guard();
  const Fd root = open_dir(target.root.string());
  sync_file_system(root.get());
  remove_duplicates(target, report);
  for (const auto& container : report.containers)
    remove_tree_at(root.get(), "containers/" + LayerId(container.id).str() + "/config.json");
  // The graph last: as long as it is there, a rerun knows what this is.
  for (const std::string& name :
       {"repositories-" + source.graph.driver(), std::string("linkgraph.db"), std::string("graph")})
    remove_tree_at(root.get(), name);
  fsync_fd(root.get(), target.root.string());
}

}  // namespace cairn
