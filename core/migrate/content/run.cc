#include <algorithm>
#include <chrono>
#include <set>

#include "core/layer/layer_store.h"
#include "core/layer/store_lock.h"
#include "core/migrate/add_references.h"
#include "core/migrate/content/containers.h"
#include "core/migrate/content/selection.h"
#include "core/migrate/ends_run.h"
#include "core/migrate/layer_tar.h"
#include "core/migrate/migrate.h"
#include "core/migrate/place_layers.h"
#include "core/migrate/plan_target.h"
#include "core/migrate/root_state.h"
#include "core/migrate/state.h"
#include "core/migrate/verify.h"
#include "core/util/error.h"
#include "core/util/interrupt.h"

namespace cairn {

namespace {

// One run over a content-addressed source, its steps in order from top to bottom in run(). Everything keeps its id.
class ContentRun {
 public:
  ContentRun(const MigrationPlan& plan, const ContentSource& source, const MigrationTarget& target,
             const MigrateOptions& options, Progress& progress)
      : source_(source),
        target_(target),
        options_(options),
        progress_(progress),
        selection_(*plan.selection),
        root_(open_dir(target.root.string())),
        state_(root_.get(), identity_of(source)),
        layers_(target.driver, target.metadata, options.jobs, progress, target.guard),
        report_(as_report(plan)) {
    progress.total(bytes_to_go_through(plan, options, 1),
                   plan.layers.size() * (options.verify ? 2 : 1) + plan.containers.size() + plan.state.size());
  }

  MigrationReport run() {
    const auto start = std::chrono::steady_clock::now();
    const FileLock lock = state_.begin();
    target_.metadata.prepare();
    layers_.recover();
    LayerPlacer placer(selection_.trees, target_, options_, layers_, progress_);
    place(placer);
    store_images();
    report_.bytes_copied +=
        carry_root_state(report_.state, source_.root, target_.root, options_, state_.resumed(), progress_);
    store_containers(placer);
    store_references();
    if (options_.verify) verify();
    if (!report_.unfinished()) state_.remove();
    report_.bytes_copied += placer.copied().bytes_copied;
    report_.files_linked += placer.copied().files_linked;
    report_.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    return std::move(report_);
  }

 private:
  void verify() {
    verify_migration(selection_.trees, target_, places_, layers_, options_, report_, progress_);
    for (const auto& place : places_)
      report_.bytes_hashed += static_cast<uint64_t>(std::max<int64_t>(place.record.size, 0));
  }

  LayerPlace place_of(const ContentLayer& layer, MigratedLayer& item) {
    const LayerRecord& record = layer.record;
    switch (layer.tar_split) {
      case TarSplit::recorded:
        return {record, [this, chain = record.chain] { return source_.metadata.layers().open_raw_tar_split(chain); },
                true};
      case TarSplit::rebuilt:
        if (item.status != "exists") make_tar_split(layer);
        return {record, [this, name = record.chain.hex()] { return read_from(state_.open_tar_split(name)); }, true};
      case TarSplit::none:
        break;
    }
    item.error = "it cannot be pushed or saved: its tar-split data is lost";
    return {record, nullptr, false};
  }

  void make_tar_split(const ContentLayer& layer) {
    const Fd file = state_.create_tar_split(layer.record.chain.hex());
    FdSink out(file.get());
    fresh_tar(selection_.trees.files(layer.record.cache_id), layer.form, out, until_interrupted());
  }

  void place(LayerPlacer& placer) {
    for (size_t i = 0; i < selection_.layers.size(); ++i)
      places_.push_back(place_of(selection_.layers[i], report_.layers[i]));
    const auto failed = placer.place(places_, state_.resumed());
    for (size_t i = 0; i < places_.size(); ++i) {
      MigratedLayer& item = report_.layers[i];
      if (const auto id = placer.target_id(places_[i].record.chain)) item.cache_id = id->str();
      if (const auto why = failed.find(places_[i].record.chain); why != failed.end()) {
        item.status = "failed", item.error = why->second;
        failed_.emplace(why->first, why->second);
      } else if (item.status == "planned") {
        item.status = placer.was_there(places_[i].record.chain) ? "exists" : "migrated";
      }
    }
  }

  void store_images() {
    const auto before = target_.metadata.images().list();  // also what another part of the root brought meanwhile
    for (size_t i = 0; i < selection_.images.size(); ++i) {
      MigratedImage& item = report_.images[i];
      if (item.status == "failed") continue;
      check_interrupt();
      try {
        store_image(selection_.images[i]);
        item.image_id = item.source_id;
        if (item.status == "planned")
          item.status =
              std::binary_search(before.begin(), before.end(), selection_.images[i].id) ? "exists" : "migrated";
      } catch (const Error& e) {
        if (ends_run(e, options_)) throw;
        item.status = "failed", item.error = e.what(), item.image_id.clear();
      }
    }
    for (const auto& layer : selection_.layers) keep_distribution(layer.record.diff);
    std::set<std::string> there;
    for (const auto& item : report_.images) there.insert(item.image_id);
    for (const auto& image : selection_.images) keep_parent(image.id, there);
  }

  void store_image(const ContentImage& image) {
    if (image.top)
      if (const auto why = failed_.find(*image.top); why != failed_.end()) throw Error(Errc::corrupt, why->second);
    auto& images = target_.metadata.images();
    images.put(source_.metadata.images().config(image.id));
    for (const auto& [name, content] : source_.metadata.images().notes(image.id))
      images.put_note(image.id, name, content);
  }

  // Engines do without; what is damaged was named.
  void keep_distribution(const DiffId& diff) {
    try {
      if (const auto known = source_.metadata.distribution().record(diff))
        target_.metadata.distribution().put_record(diff, *known);
    } catch (const Error& e) {
      if (e.code() != Errc::corrupt) throw;
    }
  }

  // Of another image that came over, too.
  void keep_parent(const ImageId& id, const std::set<std::string>& there) {
    const auto parent = source_.metadata.images().parent(id);
    if (parent && there.contains(id.str()) && there.contains(parent->str()))
      target_.metadata.images().set_parent(id, *parent);
  }

  void store_containers(LayerPlacer& placer) {
    for (size_t i = 0; i < selection_.containers.size(); ++i) {
      MigratedContainer& item = report_.containers[i];
      progress_.item_done();
      if (item.status == "failed") continue;
      check_interrupt();
      const std::string label = "container " + item.id.substr(0, 12);
      progress_.state(label, "copying");
      progress_.expect(item.bytes);
      try {
        const bool made = migrate_container(selection_.containers[i], source_, selection_.trees, target_, options_,
                                            placer, layers_, state_.resumed(), report_.bytes_copied, progress_);
        item.status = made ? "migrated" : "exists";
      } catch (const Error& e) {
        if (ends_run(e, options_)) throw;
        item.status = "failed";
        item.error = e.what();
      }
      progress_.state(label, item.status);
    }
  }

  void store_references() {
    std::map<std::string, ImageId> add;
    for (size_t i = 0; i < selection_.images.size(); ++i)
      if (report_.images[i].status != "failed")
        for (const auto& tag : selection_.images[i].tags) add.emplace(tag, selection_.images[i].id);
    add_references(target_, std::move(add), report_.state);
  }

  const ContentSource& source_;
  const MigrationTarget& target_;
  const MigrateOptions& options_;
  Progress& progress_;
  const ContentSelection& selection_;
  const Fd root_;
  MigrationState state_;
  LayerStore layers_;
  MigrationReport report_;
  std::vector<LayerPlace> places_;
  std::map<ChainId, std::string> failed_;
};

}  // namespace

MigrationReport run_migration(const MigrationPlan& plan, const ContentSource& source, const MigrationTarget& target,
                              const MigrateOptions& options, Progress& progress) {
  return ContentRun(plan, source, target, options, progress).run();
}

}  // namespace cairn
