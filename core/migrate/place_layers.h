// The second half of migrating layers: each gets its place in the target's driver and in layerdb, in batches that
// become visible together, parents first.
#pragma once

#include <map>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "core/layer/layer_store.h"
#include "core/migrate/migrate.h"
#include "core/migrate/state.h"

namespace cairn {

// A layer whose DiffID is known. `owner`: the id whose directory stands for the chain, itself unless an equal one came
// before it in Docker's order.
struct LayerPlace {
  const LegacyImage* image;
  HashedLayer hashed;
  ChainId chain;
  std::optional<ChainId> parent;
  std::string owner;
};

class LayerPlacer {
 public:
  LayerPlacer(const MigrationSource& source, const MigrationTarget& target, const MigrateOptions& options,
              MigrationState& state, LayerStore& layers, Progress& progress);

  // Puts all of `places` that the target does not have yet (parents before children, no two with one chain) into it.
  // Returns why one failed, by chain; what lies on a failed one fails too. Throws for interrupts and full disks.
  std::map<ChainId, std::string> place(const std::vector<LayerPlace>& places);

  // A container's layer: `id` of the source over `below` (source and target name it differently), never hard-linked.
  // The caller publishes.
  void copy_writable(const LayerId& id, const std::optional<LayerId>& source_parent,
                     const std::optional<LayerId>& parent);

  const Copied& copied() const { return copied_; }

 private:
  struct Made;
  void place_batch(const std::vector<const LayerPlace*>& batch, std::map<ChainId, std::string>& failed);
  Made make(const LayerPlace& place);
  void fill(DiffTarget& target, const Tree& tree, const Tree& parent, const std::set<std::string>* names, Links links);

  const MigrationSource& source_;
  const MigrationTarget& target_;
  const MigrateOptions& options_;
  MigrationState& state_;
  LayerStore& layers_;
  Progress& progress_;
  std::map<ChainId, LayerId> source_ids_;  // whose tree in the source stands for the chain
  std::map<ChainId, LayerId> target_ids_;  // its cache-id in the target, where it is or will be
  std::mutex mutex_;
  Copied copied_;  // guarded by mutex_
};

}  // namespace cairn
