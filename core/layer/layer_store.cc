#include "core/layer/layer_store.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "core/archive/compression.h"
#include "core/archive/tar_split.h"
#include "core/layer/store_lock.h"
#include "core/layer/tree_content.h"
#include "core/util/error.h"
#include "core/util/interrupt.h"
#include "core/util/workers.h"

namespace cairn {

LayerStore::LayerStore(Driver& driver, MetadataStore& metadata, unsigned jobs, Progress& progress,
                       std::function<void()> guard)
    : driver_(driver), metadata_(metadata), jobs_(jobs), progress_(progress), guard_(std::move(guard)) {}

// The chain's record, none when its directory is there but damaged: engines ignore such a one, and publishing replaces
// it.
static std::optional<LayerRecord> find_whole(LayerMetadata& layers, const ChainId& chain) {
  try {
    return layers.find(chain);
  } catch (const Error& e) {
    if (e.code() == Errc::corrupt) return std::nullopt;
    throw;
  }
}

// How many of `sources` the store already has on `base`; appends their records.
size_t LayerStore::skip_known(const std::optional<ChainId>& base, const std::vector<LayerSource>& sources,
                              std::vector<LayerRecord>& records) {
  std::optional<ChainId> chain = base;
  for (const auto& source : sources) {
    if (!source.diff) break;
    chain = chain_id(chain, *source.diff);
    auto record = find_whole(metadata_.layers(), *chain);
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
  return while_doing(
      [&] { return "registering " + label; },
      [&] {
        const LayerId cache_id = LayerId::random();
        auto transaction = metadata_.layers().begin({cache_id});
        auto target = driver_.begin(cache_id);
        progress_.state(label, "applying");

        // Inflating and both hashes run one thread ahead of parsing and writing files.
        Sha256 blob_hash, tar_hash;
        uint64_t blob_bytes = 0;
        auto shipped = tee(std::move(bytes), [&](std::span<const char> part) {
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

        const DiffId found_diff(tar_hash.finish());
        const Digest found_blob = blob_hash.finish();
        if (blob && *blob != found_blob)
          throw Error(Errc::corrupt,
                      "checking the blob: its digest is " + found_blob.str() + ", expected " + blob->str());
        if (diff && *diff != found_diff)
          throw Error(Errc::corrupt,
                      "checking the layer: its DiffID is " + found_diff.str() + ", expected " + diff->str());
        progress_.state(label, "applied");
        progress_.item_done();
        return StagedLayer{found_diff,         found_blob, blob_bytes,
                           std::move(applied), cache_id,   std::move(transaction),
                           std::move(target)};
      });
}

void LayerStore::sync() {
  sync_file_system(driver_.home_fd());
  struct stat a, b;
  const int other = metadata_.layers().sync_fd();
  if (::fstat(driver_.home_fd(), &a) != 0 || ::fstat(other, &b) != 0 || a.st_dev != b.st_dev) sync_file_system(other);
}

std::vector<LayerRecord> LayerStore::publish(const std::optional<ChainId>& base, std::vector<StagedLayer> layers) {
  sync();  // the bulk of the data, before others have to wait for us
  const FileLock lock = FileLock::wait(metadata_.lock_fd(), FileLock::Kind::exclusive);
  if (guard_) guard_();
  std::optional<ChainId> chain = base;
  std::optional<LayerId> parent;
  if (base) {
    const auto record = metadata_.layers().find(*base);
    if (!record) throw Error(Errc::not_found, "registering on " + base->str() + ": the store has no such layer");
    parent = record->cache_id;
  }
  std::vector<LayerRecord> records;
  std::vector<StagedLayer*> fresh;
  const auto abandon = [&](size_t from) {  // finished, never to be named: gone again
    for (size_t i = from; i < fresh.size(); ++i) driver_.remove(fresh[i]->cache_id);
  };
  size_t published = 0;
  try {
    for (auto& layer : layers) {
      const auto below = chain;
      chain = chain_id(chain, layer.diff);
      auto known = find_whole(metadata_.layers(), *chain);
      if (!known) {
        if (!layer.applied.links.empty())
          link_parents_files(parent ? driver_.tree(*parent) : Tree(), layer.applied.links, *layer.target);
        layer.target->finish(parent, layer.applied.implied_dirs);
        fresh.push_back(&layer);
        known = LayerRecord{*chain, layer.diff, below, layer.cache_id,
                            driver_.layer_size(layer.cache_id, layer.applied.content_bytes)};
        layer.transaction->prepare(*known);
      }
      parent = known->cache_id;
      records.push_back(std::move(*known));
    }
    if (!fresh.empty()) sync();
    for (; published < fresh.size(); ++published)
      if (!fresh[published]->transaction->publish())
        throw Error(Errc::already_exists, "publishing a layer: its chain appeared although the store is locked");
    if (!fresh.empty()) fsync_fd(metadata_.lock_fd(), "layerdb"), sync_file_system(metadata_.layers().sync_fd());
  } catch (...) {
    abandon(published);
    throw;
  }
  return records;
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

NewContainer LayerStore::create_container(const std::string& name, const std::optional<ChainId>& parent) {
  const LayerId mount_id = LayerId::random();
  const std::string own_name = name.empty() ? mount_id.str() : name;
  return while_doing([&] { return "creating '" + printable(own_name) + "'"; },
                     [&] {
                       std::optional<LayerId> below;
                       if (parent) {
                         const auto record = metadata_.layers().find(*parent);
                         if (!record) throw Error(Errc::not_found, "the store has no layer " + parent->str());
                         below = record->cache_id;
                       }
                       const FileLock lock = FileLock::wait(metadata_.lock_fd(), FileLock::Kind::exclusive);
                       if (guard_) guard_();
                       if (metadata_.layers().find_mount(own_name))
                         throw Error(Errc::already_exists, "the name is taken; `cairn rm` frees it");
                       const auto trace = metadata_.layers().begin({mount_id});
                       driver_.create(mount_id, below);
                       try {
                         sync();
                         metadata_.layers().add_mount({own_name, mount_id, std::nullopt, parent});
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
                const FileLock lock = FileLock::wait(metadata_.lock_fd(), FileLock::Kind::exclusive);
                if (guard_) guard_();
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

void LayerStore::recover() {
  if (metadata_.layers().abandoned().empty()) return;
  const FileLock lock = FileLock::wait(metadata_.lock_fd(), FileLock::Kind::exclusive);
  std::vector<Damage> damage;
  std::set<LayerId> named;
  for (const auto& layer : metadata_.layers().list(&damage)) named.insert(layer.cache_id);
  for (const auto& mount : metadata_.layers().mounts(&damage)) {
    named.insert(mount.mount_id);
    if (mount.init_id) named.insert(*mount.init_id);
  }
  for (const auto& trace : metadata_.layers().abandoned()) {
    // A damaged entry may name any directory: then nothing is removed that it could need.
    const bool all_free = std::none_of(trace.driver_ids.begin(), trace.driver_ids.end(),
                                       [&](const LayerId& id) { return named.contains(id); });
    if (!all_free || damage.empty()) {
      for (const auto& id : trace.driver_ids)
        if (!named.contains(id)) driver_.remove(id);
      metadata_.layers().forget(trace);
    }
  }
}

}  // namespace cairn
