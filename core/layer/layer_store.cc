#include "core/layer/layer_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>
#include <set>
#include <thread>

#include "core/archive/compression.h"
#include "core/archive/tar_split.h"
#include "core/layer/layer_stack.h"
#include "core/layer/tree_content.h"
#include "core/util/error.h"
#include "core/util/interrupt.h"
#include "core/util/workers.h"

namespace cairn {

LayerStore::LayerStore(Driver& driver, MetadataStore& metadata, unsigned jobs, Progress& progress,
                       std::function<void()> guard)
    : driver_(driver), metadata_(metadata), jobs_(jobs), progress_(progress), guard_(std::move(guard)) {}

std::optional<LayerRecord> LayerStore::find(const ChainId& chain) const {
  return find_loadable(metadata_.layers(), chain);
}

// How many of `sources` the store already has on `base`; appends their records.
size_t LayerStore::skip_known(const std::optional<ChainId>& base, const std::vector<LayerSource>& sources,
                              std::vector<LayerRecord>& records) {
  std::optional<ChainId> chain = base;
  for (const auto& source : sources) {
    if (!source.diff) break;
    chain = chain_id(chain, *source.diff);
    auto record = find(*chain);
    if (!record) break;
    progress_.state(source.label, "exists");
    progress_.advance(source.size_hint);
    progress_.item_done();
    records.push_back(std::move(*record));
  }
  return records.size();
}

std::vector<LayerRecord> LayerStore::register_layers(const std::optional<ChainId>& base,
                                                     std::vector<LayerSource> sources) {
  std::vector<LayerRecord> records;
  const size_t known = skip_known(base, sources, records);
  sources.erase(sources.begin(), sources.begin() + static_cast<ptrdiff_t>(known));
  if (sources.empty()) return records;

  std::vector<size_t> order(sources.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return sources[a].size_hint > sources[b].size_hint; });
  std::vector<std::optional<StagedLayer>> staged(sources.size());
  run_parallel(jobs_, order.size(), [&](size_t i) {
    const LayerSource& source = sources[order[i]];
    staged[order[i]] = stage(source.open(), source.blob, source.diff, source.label);
  });

  std::vector<StagedLayer> layers;
  layers.reserve(staged.size());
  for (auto& layer : staged) layers.push_back(std::move(*layer));
  const auto parent = records.empty() ? base : std::optional(records.back().chain);
  for (auto& record : publish(parent, std::move(layers))) records.push_back(std::move(record));
  return records;
}

StagedLayer LayerStore::stage(std::unique_ptr<ByteSource> bytes, const std::optional<Digest>& blob,
                              const std::optional<DiffId>& diff, const std::string& label) {
  const LayerId cache_id = LayerId::random();
  return stage(metadata_.layers().begin({cache_id}), cache_id, std::move(bytes), {{}, blob, diff, 0, label});
}

static void check(const StagedLayer& staged, const LayerSource& wanted) {
  if (wanted.blob && *wanted.blob != staged.blob)
    throw Error(Errc::corrupt,
                "checking the blob: its digest is " + staged.blob.str() + ", expected " + wanted.blob->str());
  if (wanted.diff && *wanted.diff != staged.diff)
    throw Error(Errc::corrupt,
                "checking the layer: its DiffID is " + staged.diff.str() + ", expected " + wanted.diff->str());
}

StagedLayer LayerStore::stage(std::unique_ptr<LayerTransaction> transaction, const LayerId& cache_id,
                              std::unique_ptr<ByteSource> bytes, const LayerSource& wanted) {
  return while_doing(
      [&] { return "registering " + wanted.label; },
      [&] {
        auto target = driver_.begin(cache_id);
        progress_.state(wanted.label, "applying");
        progress_.expect(wanted.size_hint);

        // Inflating and both hashes run one thread ahead of parsing and writing files.
        Sha256 blob_hash, tar_hash;
        uint64_t blob_bytes = 0;
        auto reader = std::this_thread::get_id();
        auto shipped = tee(std::move(bytes), [&](std::span<const char> part) {
          if (const auto here = std::this_thread::get_id(); here != reader) reader = here, progress_.join(wanted.label);
          blob_hash.update(part);
          blob_bytes += part.size();
          progress_.advance(part.size());
        });
        auto inflated = tee(decompress(std::move(shipped)), [&](std::span<const char> part) { tar_hash.update(part); });
        auto ahead = read_ahead(std::move(inflated));

        GzipSink packed(transaction->tar_split());
        TarSplitWriter split(packed);
        TarReader tar(*ahead, &split);
        Applied applied = apply_tar(tar, *target);
        packed.finish();
        ahead.reset();

        StagedLayer out{DiffId(tar_hash.finish()), blob_hash.finish(), blob_bytes, std::move(applied), cache_id,
                        std::move(transaction),    std::move(target)};
        check(out, wanted);
        progress_.state(wanted.label, "applied");
        progress_.item_done();
        return out;
      });
}

void LayerStore::sync() {
  sync_file_system(driver_.home_fd());
  struct stat a, b;
  const int other = metadata_.layers().sync_fd();
  if (::fstat(driver_.home_fd(), &a) != 0 || ::fstat(other, &b) != 0 || a.st_dev != b.st_dev) sync_file_system(other);
}

std::optional<LayerId> LayerStore::base_layer(const std::optional<ChainId>& base) const {
  if (!base) return std::nullopt;
  const auto record = metadata_.layers().find(*base);
  if (!record) throw Error(Errc::not_found, "registering on " + base->str() + ": the store has no such layer");
  return record->cache_id;
}

namespace {

// Layers on their way from staged to named. Those that are never named are removed again.
class Publication {
 public:
  Publication(LayerStore& store, Driver& driver) : store_(store), driver_(driver) {}
  ~Publication() {
    for (size_t i = published_; i < fresh_.size(); ++i) {
      try {
        driver_.remove(fresh_[i]->cache_id);
      } catch (const std::exception&) {
        // Its transaction names it: the next writer removes it.
      }
    }
  }

  // What all of them lie on, if it is somebody else's to remove.
  void lie_on(const std::optional<LayerRecord>& below) { below_ = below; }

  // Puts each that the store does not have on the one below.
  void finish(std::optional<ChainId> chain, std::optional<LayerId> parent, std::vector<StagedLayer>& layers) {
    for (auto& layer : layers) {
      const auto below = chain;
      chain = chain_id(chain, layer.diff);
      auto known = store_.find(*chain);
      if (!known) {
        layer.transaction->keep_no_more();  // half on its parent, it is of no use to anybody
        fresh_.push_back(&layer);
        if (!layer.applied.links.empty())
          link_parents_files(parent ? driver_.tree(*parent) : Tree(), layer.applied.links, *layer.target);
        layer.target->finish(parent, layer.applied.implied_dirs);
        known = LayerRecord{*chain, layer.diff, below, layer.cache_id,
                            driver_.layer_size(layer.cache_id, layer.applied.content_bytes)};
        layer.transaction->prepare(*known);
      } else {  // somebody else was faster
        known_.insert(*chain);
        layer.transaction->keep_no_more();
        layer.target.reset();
        driver_.remove(layer.cache_id);
      }
      parent = known->cache_id;
      records_.push_back(std::move(*known));
    }
  }

  void name() {
    for (; published_ < fresh_.size(); ++published_)
      if (!fresh_[published_]->transaction->publish())
        throw Error(Errc::already_exists, "publishing a layer: its chain appeared although the store is locked");
  }

  // One of those that were not there is there now, or one that was is not.
  bool overtaken() const {
    return (below_ && !is_there(*below_)) || std::any_of(records_.begin(), records_.end(), [&](const auto& record) {
             return known_.contains(record.chain) ? !is_there(record) : store_.find(record.chain).has_value();
           });
  }

  bool empty() const { return fresh_.empty(); }
  std::vector<LayerRecord> take() { return std::move(records_); }

 private:
  bool is_there(const LayerRecord& record) const {
    const auto now = store_.find(record.chain);
    return now && now->cache_id == record.cache_id;
  }

  LayerStore& store_;
  Driver& driver_;
  std::optional<LayerRecord> below_;
  std::vector<LayerRecord> records_;
  std::vector<StagedLayer*> fresh_;
  std::set<ChainId> known_;  // somebody else's
  size_t published_ = 0;
};

}  // namespace

std::optional<std::vector<LayerRecord>> LayerStore::publish(const std::optional<ChainId>& base,
                                                            std::vector<StagedLayer>& layers, bool early) {
  sync();  // the bulk of the data, before others have to wait for us
  Publication publication(*this, driver_);
  if (early) {
    const auto below = base ? find(*base) : std::nullopt;
    if (base && !below) return std::nullopt;
    publication.lie_on(below);
    publication.finish(base, below ? std::optional(below->cache_id) : std::nullopt, layers);
    if (publication.empty()) return publication.take();
    sync();
  }
  const FileLock lock = exclusive();
  if (!early) {
    publication.finish(base, base_layer(base), layers);
    if (!publication.empty()) sync();
  } else if (publication.overtaken()) {
    return std::nullopt;
  }
  publication.name();
  if (!publication.empty()) fsync_fd(metadata_.lock_fd(), "layerdb"), sync_file_system(metadata_.layers().sync_fd());
  return publication.take();
}

std::vector<LayerRecord> LayerStore::publish(const std::optional<ChainId>& base, std::vector<StagedLayer> layers) {
  return publish(base, layers, false).value();
}

std::optional<std::vector<LayerRecord>> LayerStore::publish_claimed(const std::optional<ChainId>& base,
                                                                    std::vector<StagedLayer>& layers) {
  // Not where a driver's own records are written.
  return publish(base, layers, driver_.layers_are_directories());
}

std::optional<ChainId> LayerStore::find_diff(const DiffId& diff) const {
  for (const auto& record : metadata_.layers().list())
    if (record.diff == diff) return record.chain;
  return std::nullopt;
}

void LayerStore::write_tar(const ChainId& chain, ByteSink& out) {
  const auto record = metadata_.layers().find(chain);
  if (!record) throw Error(Errc::not_found, "reading layer " + chain.str() + ": the store has no such layer");
  while_doing([&] { return "reading layer " + chain.str(); },
              [&] {
                class Hashing : public ByteSink {
                 public:
                  explicit Hashing(ByteSink& next) : next_(next) {}
                  void write(std::span<const char> bytes) override { hash.update(bytes), next_.write(bytes); }
                  Sha256 hash;

                 private:
                  ByteSink& next_;
                } sink(out);
                const auto lines = metadata_.layers().open_tar_split(chain);
                TreeContent content(driver_.tree(record->cache_id));
                reassemble(
                    *lines, [&](const std::string& name) { return content.open(name); }, sink);
                if (DiffId(sink.hash.finish()) != record->diff)
                  throw Error(Errc::corrupt, "its files no longer give its DiffID " + record->diff.str());
              });
}

void LayerStore::read_back(const ChainId& chain) {
  class Watched : public ByteSink {
   public:
    explicit Watched(Progress& progress) : progress_(progress) {}
    void write(std::span<const char> bytes) override {
      progress_.advance(bytes.size());
      check_interrupt();
    }

   private:
    Progress& progress_;
  } nowhere(progress_);
  write_tar(chain, nowhere);
}

std::optional<LayerId> LayerStore::layer_below(const ContainerBase& base) const {
  if (base.image) metadata_.images().config(*base.image);  // it is there
  if (!base.chain) return std::nullopt;
  const auto record = metadata_.layers().find(*base.chain);
  if (!record) throw Error(Errc::not_found, "the store has no layer " + base.chain->str());
  return record->cache_id;
}

NewContainer LayerStore::create_container(const std::string& name, const ContainerBase& base) {
  const LayerId mount_id = LayerId::random();
  const std::string own_name = name.empty() ? mount_id.str() : name;
  return while_doing([&] { return "creating '" + printable(own_name) + "'"; },
                     [&] {
                       const FileLock lock = exclusive();
                       const auto below = layer_below(base);
                       if (metadata_.layers().find_mount(own_name))
                         throw Error(Errc::already_exists, "the name is taken; `cairn rm` frees it");
                       const auto trace = metadata_.layers().begin({mount_id});
                       driver_.create(mount_id, below);
                       try {
                         sync();
                         metadata_.layers().add_mount({own_name, mount_id, std::nullopt, base.chain, base.image});
                         sync_file_system(metadata_.layers().sync_fd());
                       } catch (...) {
                         driver_.remove(mount_id);
                         throw;
                       }
                       return NewContainer{own_name, mount_id};
                     });
}

void LayerStore::remove_container(const std::string& name) {
  while_doing([&] { return "removing '" + printable(name) + "'"; },
              [&] {
                const FileLock lock = exclusive();
                const auto record = metadata_.layers().find_mount(name);
                if (!record) throw Error(Errc::not_found, "the store has no container of that name");
                std::vector<LayerId> ids{record->mount_id};
                if (record->init_id) ids.push_back(*record->init_id);
                const auto trace = metadata_.layers().begin(ids);
                driver_.remove(record->mount_id);  // refuses while it is mounted; repeating it is harmless
                const auto known = metadata_.containers().list();
                if (std::find(known.begin(), known.end(), name) != known.end()) metadata_.containers().remove(name);
                metadata_.layers().remove_mount(name);
                if (record->init_id) driver_.remove(*record->init_id);
              });
}

std::set<LayerId> LayerStore::named_layers(std::vector<Damage>& damage) const {
  std::set<LayerId> out;
  for (const auto& layer : metadata_.layers().list(&damage)) out.insert(layer.cache_id);
  for (const auto& mount : metadata_.layers().mounts(&damage)) {
    out.insert(mount.mount_id);
    if (mount.init_id) out.insert(*mount.init_id);
  }
  return out;
}

std::vector<LayerId> LayerStore::clear(const std::vector<LayerId>& left) {
  if (left.empty()) return left;
  const FileLock lock = FileLock::wait(metadata_.lock_fd(), FileLock::Kind::exclusive);
  std::vector<Damage> damage;
  const auto named = named_layers(damage);
  if (!damage.empty()) return left;  // a damaged entry may name any directory
  for (const auto& id : left)
    if (!named.contains(id)) driver_.remove(id);
  return {};
}

FileLock LayerStore::exclusive() const {
  FileLock lock = FileLock::wait(metadata_.lock_fd(), FileLock::Kind::exclusive);
  if (guard_) guard_();
  return lock;
}

void LayerStore::remove_layers(const std::vector<LayerRecord>& layers, const FileLock& /*held*/) {
  std::set<LayerId> going;
  for (const auto& layer : layers) {
    metadata_.layers().remove(layer.chain);
    going.insert(layer.cache_id);
  }
  std::optional<Error> still_shown;
  for (const auto& layer : layers) {
    try {
      driver_.remove(layer.cache_id);
    } catch (const Error& e) {
      if (e.code() != Errc::in_use) throw;
      going.erase(layer.cache_id);
      if (!still_shown) still_shown = e;
    }
  }
  for (const auto& trace : metadata_.layers().abandoned())
    if (trace.driver_ids.size() == 1 && going.contains(trace.driver_ids[0])) metadata_.layers().forget(trace);
  if (still_shown) throw *std::move(still_shown);
}

void LayerStore::recover() {
  if (metadata_.layers().abandoned().empty()) return;
  const FileLock lock = FileLock::wait(metadata_.lock_fd(), FileLock::Kind::exclusive);
  std::vector<Damage> damage;
  const auto named = named_layers(damage);
  for (const auto& trace : metadata_.layers().abandoned()) {
    // A damaged entry may name any directory: then nothing is removed that it could need.
    const bool all_free = std::none_of(trace.driver_ids.begin(), trace.driver_ids.end(),
                                       [&](const LayerId& id) { return named.contains(id); });
    if (all_free && !damage.empty()) continue;
    try {
      for (const auto& id : trace.driver_ids)
        if (!named.contains(id)) driver_.remove(id);
      metadata_.layers().forget(trace);
    } catch (const Error& e) {
      if (e.code() != Errc::in_use) throw;  // mounted: a later writer ends it
    }
  }
}

}  // namespace cairn
