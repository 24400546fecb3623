#include <algorithm>
#include <chrono>
#include <mutex>
#include <numeric>

#include "core/image/v1_config.h"
#include "core/layer/layer_store.h"
#include "core/layer/store_lock.h"
#include "core/migrate/add_references.h"
#include "core/migrate/ends_run.h"
#include "core/migrate/graph/adopted_image.h"
#include "core/migrate/graph/containers.h"
#include "core/migrate/graph/hash_layer.h"
#include "core/migrate/graph/selection.h"
#include "core/migrate/migrate.h"
#include "core/migrate/place_layers.h"
#include "core/migrate/plan_target.h"
#include "core/migrate/root_state.h"
#include "core/migrate/state.h"
#include "core/migrate/verify.h"
#include "core/util/error.h"
#include "core/util/interrupt.h"
#include "core/util/workers.h"

namespace cairn {

namespace {

// One run, its steps in order from top to bottom in run().
class Run {
 public:
  Run(const MigrationPlan& plan, const MigrationSource& source, const MigrationTarget& target,
      const MigrateOptions& options, Progress& progress)
      : source_(source),
        target_(target),
        options_(options),
        progress_(progress),
        selection_(select(source, options)),
        root_(open_dir(target.root.string())),
        state_(root_.get(), identity_of(source)),
        layers_(target.driver, target.metadata, options.jobs, progress, target.guard),
        report_(as_report(plan)),
        sample_(plan.sample) {
    const unsigned passes = options.verify ? 2 : 1;
    bytes_ = bytes_to_go_through(plan, options, passes);
    announce(plan.images.size());
  }

  MigrationReport run() {
    const auto start = std::chrono::steady_clock::now();
    const FileLock lock = state_.begin();
    target_.metadata.prepare();
    layers_.recover();
    LayerPlacer placer(selection_.trees, target_, options_, layers_, progress_);
    hashed_.resize(selection_.images.size());
    adopted_.resize(selection_.images.size());
    recall();
    hash();
    assign_chains(placer);
    announce(places_.size());
    place(placer);
    store_images();
    store_containers(placer);
    store_references();
    if (options_.verify) verify_migration(selection_.trees, target_, places_, layers_, options_, report_, progress_);
    write_mapping(root_.get(), mapping_);
    mark_tags_done();
    if (!report_.unfinished()) state_.remove();
    report_.bytes_copied += placer.copied().bytes_copied;
    report_.files_linked += placer.copied().files_linked;
    report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::move(report_);
  }

 private:
  // `placed`: layers to be placed, as far as that is known by now.
  void announce(size_t placed) {
    progress_.total(bytes_, report_.images.size() + placed * (options_.verify ? 2 : 1) + report_.containers.size() +
                                report_.state.size());
  }

  void fail(size_t i, const std::string& why) {
    for (auto* status : {&report_.images[i].status, &report_.layers[i].status}) *status = "failed";
    report_.images[i].error = report_.layers[i].error = why;
    report_.images[i].image_id.clear();
    progress_.state("image " + report_.images[i].source_id.substr(0, 12), "failed");
  }

  // Layers of images that an engine or an earlier run finished need no hashing: their configuration names them. Of a
  // run that was not finished the state says more.
  void recall() {
    const auto& taken = options_.taken_over.images;
    mapping_ = read_mapping(root_.get());
    for (const auto& [id, image] : taken) mapping_.insert_or_assign(id, image);
    for (size_t i = 0; i < selection_.images.size(); ++i) {
      const auto known = mapping_.find(selection_.images[i]->id);
      if (report_.images[i].status != "exists" || known == mapping_.end()) continue;
      const bool is_taken = taken.contains(known->first);
      if (state_.resumed() && !is_taken) continue;
      auto there = adopt_image(target_.metadata, known->second);
      if (!there) {  // damaged, or the part that has it could not bring it: made anew
        report_.images[i].status = report_.layers[i].status = "planned";
        continue;
      }
      hashed_[i] = HashedLayer{there->top.diff, there->top.size, selection_.images[i]->has_tar_split, ""};
      if (is_taken) adopted_[i] = std::move(there);
    }
  }

  void hash() {
    std::vector<size_t> order(selection_.images.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return selection_.images[a]->layer_size.value_or(0) > selection_.images[b]->layer_size.value_or(0);
    });
    run_parallel(options_.jobs, order.size(), [&](size_t k) {
      const size_t i = order[k];
      check_interrupt();
      if (hashed_[i] || report_.layers[i].status == "failed") return progress_.item_done();
      const LegacyImage& image = *selection_.images[i];
      const std::string label = "layer " + image.id.substr(0, 12);
      progress_.state(label, "hashing");
      progress_.expect(tar_bytes(sample_, static_cast<uint64_t>(std::max<int64_t>(report_.layers[i].size, 0))));
      try {
        hashed_[i] = hash_layer(source_, image, selection_.trees, state_, progress_);
        progress_.state(label, "hashed");
      } catch (const Error& e) {
        if (ends_run(e, options_)) throw;
        progress_.state(label, "failed");
        const std::lock_guard guard(mutex_);
        fail(i, std::string("reading its layer: ") + e.what());
      }
      progress_.item_done();
    });
  }

  // An image whose parent failed, or is not there or not before it (a circle), fails too.
  void fail_with_parent(const LegacyImage& image, size_t i) {
    if (!image.parent || adopted_[i] || report_.images[i].status == "failed") return;
    const auto parent = index_.find(*image.parent);
    if (parent == index_.end() || report_.images[parent->second].status == "failed")
      fail(i, "its parent " + *image.parent + " could not be migrated");
  }

  // ChainIDs, and whose directory stands for each: the first in Docker's order.
  void assign_chains(LayerPlacer& placer) {
    for (size_t i = 0; i < selection_.images.size(); ++i) {
      const LegacyImage& image = *selection_.images[i];
      index_[image.id] = i;
      MigratedLayer& layer = report_.layers[i];
      fail_with_parent(image, i);
      chains_.emplace_back();
      if (layer.status == "failed" || !hashed_[i]) continue;
      if (adopted_[i]) {
        const LayerRecord& top = adopted_[i]->top;
        chains_[i] = top.chain;
        describe(layer, *hashed_[i], top.chain);
        layer.cache_id = top.cache_id.str();
        owner_.emplace(top.chain, image.id);
        placer.add_source(top.chain, LayerId(image.id));
        continue;
      }
      const auto parent = image.parent ? chains_[index_.at(*image.parent)] : std::nullopt;
      const ChainId chain = chain_id(parent, hashed_[i]->diff);
      chains_[i] = chain;
      report_.bytes_hashed +=
          layer.status == "exists" ? 0 : static_cast<uint64_t>(std::max<int64_t>(hashed_[i]->size, 0));
      describe(layer, *hashed_[i], chain);
      if (const auto owner = owner_.find(chain); owner != owner_.end()) {
        if (layer.status != "exists") layer.status = "duplicate";
        layer.cache_id = owner->second;
        continue;
      }
      owner_.emplace(chain, image.id);
      layer.cache_id = image.id;
      places_.push_back(
          place_of(image, *hashed_[i], {chain, hashed_[i]->diff, parent, LayerId(image.id), hashed_[i]->size}));
    }
  }

  LayerPlace place_of(const LegacyImage& image, const HashedLayer& hashed, LayerRecord record) {
    const auto open = [this, id = image.id, recorded = hashed.from_tar_split] {
      return recorded ? source_.graph.open_raw_tar_split(id) : read_from(state_.open_tar_split(id));
    };
    return {std::move(record), open, hashed.from_tar_split};
  }

  void describe(MigratedLayer& layer, const HashedLayer& hashed, const ChainId& chain) {
    layer.diff_id = hashed.diff.str();
    layer.chain_id = chain.str();
    layer.size = hashed.size;
    layer.method = hashed.from_tar_split ? "tar-split" : "diff";
    layer.error = hashed.warning;
    const auto is_told = [&](const Damage& one) {
      return one.kind == "tar-data-unusable" && one.object == layer.source_id;
    };
    if (!hashed.warning.empty() && std::none_of(report_.damage.begin(), report_.damage.end(), is_told))
      report_.damage.push_back({"tar-data-unusable", layer.source_id, hashed.warning});
  }

  void place(LayerPlacer& placer) {
    const auto failed = placer.place(places_, state_.resumed());
    for (size_t i = 0; i < chains_.size(); ++i) {
      MigratedLayer& layer = report_.layers[i];
      if (!chains_[i] || layer.status == "failed") continue;
      if (const auto why = failed.find(*chains_[i]); why != failed.end())
        fail(i, why->second);
      else if (layer.status == "planned")
        layer.status = placer.was_there(*chains_[i]) ? "exists" : "migrated";
      if (const auto id = placer.target_id(*chains_[i])) layer.cache_id = id->str();
    }
  }

  void store_images() {
    const auto before = target_.metadata.images().list();  // also what another part of the root brought
    steps_.resize(chains_.size());
    for (size_t i = 0; i < chains_.size(); ++i) {
      const LegacyImage& image = *selection_.images[i];
      fail_with_parent(image, i);
      if (report_.images[i].status == "failed" || adopted_[i]) continue;
      try {
        steps_[i] = history_from_v1(image.json);
        const auto [diffs, history] = lineage(i);
        const ImageId id = target_.metadata.images().put(config_from_v1(image.json, diffs, history));
        if (const auto above = parent_of(i))
          target_.metadata.images().set_parent(id, *ImageId::parse(report_.images[*above].image_id));
        if (image.checksum) target_.metadata.distribution().add(hashed_[i]->diff, {*image.checksum, ""});
        mapping_.insert_or_assign(image.id, id);
        report_.images[i].image_id = id.str();
        if (report_.images[i].status == "planned")
          report_.images[i].status = std::binary_search(before.begin(), before.end(), id) ? "exists" : "migrated";
      } catch (const Error& e) {
        if (ends_run(e, options_)) throw;
        fail(i, e.what());
      }
    }
  }

  struct Lineage {
    std::vector<DiffId> diffs;
    std::vector<std::string> history;
  };
  // What the configuration of image i lists, base first: its own step, and those of what it was built on.
  Lineage lineage(size_t i) const {
    std::vector<size_t> made;
    std::optional<size_t> at = i;
    for (; at && !adopted_[*at]; at = parent_of(*at)) made.push_back(*at);
    Lineage out;
    if (at) out = {adopted_[*at]->diffs, adopted_[*at]->history};
    for (auto k = made.rbegin(); k != made.rend(); ++k) {
      out.diffs.push_back(hashed_[*k]->diff);
      out.history.push_back(steps_[*k]);
    }
    return out;
  }

  std::optional<size_t> parent_of(size_t i) const {
    const auto& parent = selection_.images[i]->parent;
    return parent ? std::optional(index_.at(*parent)) : std::nullopt;
  }

  void store_containers(LayerPlacer& placer) {
    report_.bytes_copied +=
        carry_root_state(report_.state, source_.root, target_.root, options_, state_.resumed(), progress_);
    for (size_t i = 0; i < selection_.containers.size(); ++i) {
      check_interrupt();
      MigratedContainer& item = report_.containers[i];
      const auto image = index_.find(selection_.containers[i]->image);
      progress_.item_done();
      if (item.status == "failed" || item.status == "skipped") continue;
      item.error = image == index_.end()                              ? "its image is not in the source"
                   : report_.images[image->second].status == "failed" ? "its image could not be migrated"
                                                                      : "";
      if (item.error.empty())
        store_container(placer, i, image->second);
      else
        item.status = "failed";
    }
  }

  void store_container(LayerPlacer& placer, size_t i, size_t image) {
    MigratedContainer& item = report_.containers[i];
    const std::string label = "container " + item.id.substr(0, 12);
    progress_.state(label, "copying");
    progress_.expect(item.bytes);
    item.image = report_.images[image].image_id;
    try {
      const auto record = target_.metadata.layers().find(*chains_[image]);
      if (!record) throw Error(Errc::not_found, "the target has no layer " + chains_[image]->str());
      const ImagePlace place{*ImageId::parse(item.image), *chains_[image], LayerId(owner_.at(*chains_[image])),
                             record->cache_id};
      item.status = migrate_container(*selection_.containers[i], place, source_, selection_.trees, target_, options_,
                                      placer, layers_, state_.resumed())
                        ? "migrated"
                        : "exists";
      progress_.state(label, item.status);
    } catch (const Error& e) {
      if (ends_run(e, options_)) throw;
      item.status = "failed";
      item.error = e.what();
      progress_.state(label, "failed");
    }
  }

  void store_references() {
    std::map<std::string, ImageId> add;
    for (const auto& [id, tags] : selection_.tags) {
      const auto image = index_.find(id);
      if (image == index_.end() || report_.images[image->second].status == "failed") continue;
      for (const auto& tag : tags) add.emplace(tag, *ImageId::parse(report_.images[image->second].image_id));
    }
    add_references(target_, std::move(add), report_.state);
  }

  // As Docker 1.10 leaves it, so that it does not migrate tags again.
  void mark_tags_done() {
    if (options_.in_place && !exists_at(root_.get(), ".migration-v1-tags"))
      create_file_at(root_.get(), ".migration-v1-tags", "", 0644);
  }

  const MigrationSource& source_;
  const MigrationTarget& target_;
  const MigrateOptions& options_;
  Progress& progress_;
  const Selection selection_;
  const Fd root_;
  MigrationState state_;
  LayerStore layers_;
  MigrationReport report_;
  const DiskSample sample_;
  uint64_t bytes_ = 0;  // to go through, for whoever watches
  std::map<std::string, ImageId> mapping_;
  std::map<std::string, size_t> index_;  // v1 id -> position in all the lists here
  std::vector<std::optional<HashedLayer>> hashed_;
  std::vector<std::optional<AdoptedImage>> adopted_;  // of those that an engine has taken over
  std::vector<std::string> steps_;                    // of the others: their own element of a configuration's history
  std::vector<std::optional<ChainId>> chains_;
  std::map<ChainId, std::string> owner_;
  std::vector<LayerPlace> places_;
  std::mutex mutex_;  // for report_ while hashing
};

}  // namespace

MigrationReport run_migration(const MigrationPlan& plan, const MigrationSource& source, const MigrationTarget& target,
                              const MigrateOptions& options, Progress& progress) {
  return Run(plan, source, target, options, progress).run();
}

}  // namespace cairn
