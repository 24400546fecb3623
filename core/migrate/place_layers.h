// The second half of migrating layers: each gets its place in the target's driver and in layerdb, in batches that
// become visible together, parents first.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <vector>

#include "core/layer/layer_store.h"
#include "core/migrate/migrate.h"
#include "core/migrate/source_trees.h"

namespace cairn {

// A layer whose DiffID is known. Its directory has the same name on both sides, unless another layer has that name in
// the target: parts of one root may have used one name for different layers.
struct LayerPlace {
  LayerRecord record;
  // The record of its tar, gzip included; none: what the source has of it is of no use.
  std::function<std::unique_ptr<ByteSource>()> tar_split;
  // Whoever made the layer made that record: what it names is the layer's own, even where it is as in the parent.
  bool names_are_its_own = false;
};

class LayerPlacer {
 public:
  LayerPlacer(const SourceTrees& source, const MigrationTarget& target, const MigrateOptions& options,
              LayerStore& layers, Progress& progress);

  // Puts all of `places` that the target does not have yet (parents before children, no two with one chain) into it.
  // `resumed`: those it has are looked at, too. Returns why one failed, by chain; what lies on a failed one fails too.
  // Throws for interrupts and full disks.
  std::map<ChainId, std::string> place(const std::vector<LayerPlace>& places, bool resumed);

  // A container's layer: `id` of the source over `below` (source and target name it differently), never hard-linked.
  // The caller publishes.
  void copy_writable(const LayerId& id, const std::optional<LayerId>& source_parent,
                     const std::optional<LayerId>& parent);

  // The source has the chain's tree under this name; another part of its root brings the layer, or brought it.
  void add_source(const ChainId& chain, const LayerId& id) { source_ids_.emplace(chain, id); }
  bool was_there(const ChainId& chain) const { return were_there_.contains(chain); }  // before anything was placed
  std::optional<LayerId> target_id(const ChainId& chain) const;                       // where it is or will be

  const Copied& copied() const { return copied_; }

 private:
  struct Made;
  void place_batch(const std::vector<const LayerPlace*>& batch, std::map<ChainId, std::string>& failed);
  LayerId free_id(const LayerId& wanted) const;
  Made make(const LayerPlace& place);
  // Returns the bytes it had to copy.
  uint64_t fill(DiffTarget& target, const Tree& tree, const Tree& parent, const std::set<std::string>* names,
                Links links);

  const SourceTrees& source_;
  const MigrationTarget& target_;
  const MigrateOptions& options_;
  LayerStore& layers_;
  Progress& progress_;
  std::map<ChainId, LayerId> source_ids_;  // whose tree in the source is the chain's
  std::map<ChainId, LayerId> target_ids_;  // its cache-id in the target, where it is or will be
  std::set<ChainId> were_there_;
  std::set<LayerId> taken_ids_;  // cache-ids in the target
  std::mutex mutex_;
  Copied copied_;  // guarded by mutex_
};

}  // namespace cairn
