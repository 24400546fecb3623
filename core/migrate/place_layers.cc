#include "core/migrate/place_layers.h"

#include <algorithm>

#include "core/archive/changes.h"
#include "core/archive/compression.h"
#include "core/layer/store_lock.h"
#include "core/migrate/ends_run.h"
#include "core/migrate/layer_tar.h"
#include "core/migrate/recheck.h"
#include "core/util/error.h"
#include "core/util/interrupt.h"
#include "core/util/workers.h"

namespace cairn {

// How many layers become visible at once: a crash costs at most their linking, and each batch costs two syncs.
static constexpr size_t kBatch = 64;

struct LayerPlacer::Made {
  std::unique_ptr<LayerTransaction> transaction;
  std::unique_ptr<DiffTarget> target;  // none in place
  std::string error;
};

LayerPlacer::LayerPlacer(const SourceTrees& source, const MigrationTarget& target, const MigrateOptions& options,
                         LayerStore& layers, Progress& progress)
    : source_(source), target_(target), options_(options), layers_(layers), progress_(progress) {
  for (const auto& record : target.metadata.layers().list()) {
    target_ids_.emplace(record.chain, record.cache_id);
    were_there_.insert(record.chain);
    taken_ids_.insert(record.cache_id);
  }
}

std::optional<LayerId> LayerPlacer::target_id(const ChainId& chain) const {
  const auto found = target_ids_.find(chain);
  return found == target_ids_.end() ? std::nullopt : std::optional(found->second);
}

// In place the layer is what has the name.
LayerId LayerPlacer::free_id(const LayerId& wanted) const {
  return options_.in_place || !taken_ids_.contains(wanted) ? wanted : LayerId(random_hex(32));
}

uint64_t LayerPlacer::fill(DiffTarget& target, const Tree& tree, const Tree& parent, const std::set<std::string>* names,
                           Links links) {
  const CompareOptions how{.rule = Compare::exact, .forced = names, .compare_content = names == nullptr};
  const auto changes = changes_between(tree, target_.driver.layers_stand_alone() ? Tree() : parent, how);
  const Copied copied = apply_tree(tree, changes, target, links, Root::take, &progress_);
  const std::lock_guard lock(mutex_);
  copied_.files_linked += copied.files_linked;
  copied_.files_copied += copied.files_copied;
  copied_.bytes_copied += copied.bytes_copied;
  return copied.bytes_copied;
}

// Everything that needs no parent in the target. Runs in parallel.
LayerPlacer::Made LayerPlacer::make(const LayerPlace& place) {
  LayerRecord record = place.record;
  record.cache_id = target_ids_.at(record.chain);
  const LayerId& id = record.cache_id;
  const auto& parent_chain = place.record.parent;
  Made made;
  made.transaction = target_.metadata.layers().begin({});  // the batch's trace names the directory
  if (!options_.in_place) {
    target_.driver.remove(id);  // left by a run that did not get to record it
    made.target = target_.driver.begin(id);
    std::optional<std::set<std::string>> names;
    if (place.tar_split && place.names_are_its_own) names = content_of_tar_split(*decompress(place.tar_split())).names;
    const Tree parent = parent_chain ? source_.tree(source_ids_.at(*parent_chain)) : Tree();
    const uint64_t copied =
        fill(*made.target, source_.tree(place.record.cache_id), parent, names ? &*names : nullptr, Links::hard);
    const auto size = static_cast<uint64_t>(std::max<int64_t>(place.record.size, 0));
    progress_.advance(size - std::min(size, copied));  // what was linked; the rest has been told while it was copied
  }
  if (place.tar_split) copy(*place.tar_split(), made.transaction->tar_split());
  made.transaction->prepare(record);
  return made;
}

static std::string because_of_parent(const std::string& why) {
  static const std::string kParent = "its parent failed: ";
  return why.starts_with(kParent) ? why : kParent + why;
}

// Says what directories a batch makes until they are recorded. A trace of its own for each layer would cost three
// syncs.
static std::unique_ptr<LayerTransaction> begin_batch(LayerMetadata& layers,
                                                     const std::vector<const LayerPlace*>& batch) {
  std::vector<LayerId> ids;
  ids.reserve(batch.size());
  for (const auto* place : batch) ids.push_back(place->record.cache_id);
  return layers.begin(ids);
}

void LayerPlacer::place_batch(const std::vector<const LayerPlace*>& batch, std::map<ChainId, std::string>& failed) {
  const auto trace = options_.in_place ? nullptr : begin_batch(target_.metadata.layers(), batch);  // else the source's
  std::vector<Made> made(batch.size());
  run_parallel(options_.jobs, batch.size(), [&](size_t turn) {
    const size_t i = batch.size() - 1 - turn;  // the uppermost layers have the largest trees to compare: they go first
    check_interrupt();
    if (batch[i]->record.parent && failed.contains(*batch[i]->record.parent)) return progress_.item_done();
    const std::string label = "layer " + batch[i]->record.cache_id.str().substr(0, 12);
    progress_.state(label, options_.in_place ? "adopting" : "linking");
    try {
      made[i] = make(*batch[i]);
      progress_.state(label, options_.in_place ? "adopted" : "linked");
    } catch (const Error& e) {
      if (ends_run(e, options_)) throw;
      made[i].error = e.what();
      progress_.state(label, "failed");
    }
    progress_.item_done();
  });

  std::vector<size_t> ready;
  for (size_t i = 0; i < batch.size(); ++i) {
    const LayerRecord& record = batch[i]->record;
    if (record.parent && failed.contains(*record.parent)) made[i].error = because_of_parent(failed[*record.parent]);
    if (made[i].error.empty() && made[i].target) {
      try {
        std::optional<LayerId> parent;
        if (record.parent && !target_.driver.layers_stand_alone()) parent = target_ids_.at(*record.parent);
        made[i].target->finish(parent, {});
      } catch (const Error& e) {
        if (ends_run(e, options_)) throw;
        made[i].error = e.what();
      }
    }
    if (made[i].error.empty())
      ready.push_back(i);
    else
      failed[record.chain] = made[i].error;
  }
  if (ready.empty()) return;  // the driver's directory may not even be there
  layers_.sync();
  const FileLock lock = FileLock::wait(target_.metadata.lock_fd(), FileLock::Kind::exclusive);
  if (target_.guard) target_.guard();
  for (size_t i : ready) made[i].transaction->publish();
  fsync_fd(target_.metadata.lock_fd(), "layerdb");
  sync_file_system(target_.metadata.layers().sync_fd());
}

std::map<ChainId, std::string> LayerPlacer::place(const std::vector<LayerPlace>& places, bool resumed) {
  if (resumed && !options_.in_place)
    for (const auto& chain : drop_incomplete(source_, target_, places, layers_)) {
      taken_ids_.erase(target_ids_.at(chain));
      target_ids_.erase(chain);
      were_there_.erase(chain);
    }
  std::map<ChainId, std::string> failed;
  std::vector<const LayerPlace*> batch;
  std::vector<const LayerPlace*> todo;
  for (const auto& place : places) {
    source_ids_.emplace(place.record.chain, place.record.cache_id);
    if (target_ids_.contains(place.record.chain)) {
      progress_.item_done();
      continue;
    }
    const LayerId id = free_id(place.record.cache_id);
    target_ids_.emplace(place.record.chain, id);
    taken_ids_.insert(id);
    todo.push_back(&place);
  }
  for (size_t begin = 0; begin < todo.size(); begin += kBatch) {
    batch.assign(todo.begin() + static_cast<ptrdiff_t>(begin),
                 todo.begin() + static_cast<ptrdiff_t>(std::min(begin + kBatch, todo.size())));
    place_batch(batch, failed);
  }
  if (resumed) layers_.recover();  // damaged records, which are replaced now, may have kept it from clearing up before
  return failed;
}

void LayerPlacer::copy_writable(const LayerId& id, const std::optional<LayerId>& source_parent,
                                const std::optional<LayerId>& parent) {
  target_.driver.remove(id);
  auto made = target_.driver.begin(id);
  fill(*made, source_.tree(id), source_parent ? source_.tree(*source_parent) : Tree(), nullptr, Links::none);
  made->finish(target_.driver.layers_stand_alone() ? std::nullopt : parent, {});
}

}  // namespace cairn
