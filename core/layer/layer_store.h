// Registers, re-exports, creates and removes layers: the one place that lists the steps of "a layer tarball" in order,
// and the one that holds the publish lock. Data is durable before metadata names it; one sync serves a whole batch.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/archive/apply.h"
#include "core/archive/stream.h"
#include "core/digest/digest.h"
#include "core/interfaces/driver.h"
#include "core/interfaces/metadata_store.h"
#include "core/interfaces/progress.h"
#include "core/layer/store_lock.h"

namespace cairn {

// A layer to be registered, as shipped.
struct LayerSource {
  std::function<std::unique_ptr<ByteSource>()> open;  // any compression; called once, in a worker thread
  std::optional<Digest> blob;                         // checked against the bytes as shipped
  std::optional<DiffId> diff;                         // checked against the inflated bytes
  uint64_t size_hint = 0;                             // the largest is started first
  std::string label;                                  // for progress and messages
};

// Applied and hashed, without a place in a chain yet. Destroying it removes what was written.
class StagedLayer {
 public:
  DiffId diff;
  Digest blob;  // of the bytes as shipped
  uint64_t blob_bytes = 0;
  Applied applied;
  LayerId cache_id;
  std::unique_ptr<LayerTransaction> transaction;  // before `target`: the trace outlives what it names
  std::unique_ptr<DiffTarget> target;
};

struct ContainerBase {
  std::optional<ChainId> chain;  // what a writable layer lies on
  std::optional<ImageId> image;  // whose layers these are; noted with it, as other images may have the same
};
struct NewContainer {
  std::string name;
  LayerId mount_id;
};

class LayerStore {
 public:
  // `guard` is called under the publish lock before anything becomes visible: it throws if an engine runs on the store.
  LayerStore(Driver& driver, MetadataStore& metadata, unsigned jobs, Progress& progress,
             std::function<void()> guard = {});

  // The way of a layer tarball: stage all sources that the store does not have (all at once), then publish. Returns the
  // records, base first. `base`: the chain they lie on. Nothing is registered if one of them fails.
  std::vector<LayerRecord> register_layers(const std::optional<ChainId>& base, std::vector<LayerSource> sources);

  // The two halves, for whoever reads layers from one stream and learns their order last.
  StagedLayer stage(std::unique_ptr<ByteSource> bytes, const std::optional<Digest>& blob,
                    const std::optional<DiffId>& diff, const std::string& label);
  // The same in a transaction that names `cache_id`.
  StagedLayer stage(std::unique_ptr<LayerTransaction> transaction, const LayerId& cache_id,
                    std::unique_ptr<ByteSource> bytes, const LayerSource& wanted);
  std::vector<LayerRecord> publish(const std::optional<ChainId>& base, std::vector<StagedLayer> layers);
  // The same of layers whose chains are claimed: copying what lies below, which may take long, is done before others
  // have to wait. nullopt, and none is published, if somebody who claims nothing has registered or removed one of them
  // meanwhile. Those that could not be published are `layers` still; what was written of some of them may be gone.
  std::optional<std::vector<LayerRecord>> publish_claimed(const std::optional<ChainId>& base,
                                                          std::vector<StagedLayer>& layers);

  // A layer of this content, whatever it lies on. Looks at all there are.
  std::optional<ChainId> find_diff(const DiffId& diff) const;

  // The layer's tar, byte for byte; Errc::corrupt if it no longer has its DiffID.
  void write_tar(const ChainId& chain, ByteSink& out);
  // Only to see whether it has it; progress is told of the bytes.
  void read_back(const ChainId& chain);

  // A writable layer; `name` becomes layerdb/mounts/<name>, a random id when empty. not_found if the layer or the image
  // is gone.
  NewContainer create_container(const std::string& name, const ContainerBase& base);
  void remove_container(const std::string& name);  // not_found, or in_use while mounted

  // The publish lock, for whoever makes more than layers visible: no engine runs on the store while it is held.
  FileLock exclusive() const;
  // Layers that nothing needs (see LayerUses), children first. A crash leaves some of them whole, and traces that
  // recover() ends. Errc::in_use if the driver still shows one: the files of that one go with a later recover().
  void remove_layers(const std::vector<LayerRecord>& layers, const FileLock& held);

  // Ends what crashed processes left: driver directories without metadata and half-done removals. Every writer calls
  // it.
  void recover();

  // What publish does before it names anything: everything written so far is on stable storage.
  void sync();

  // The chain's record; none when its directory is there but damaged: engines ignore such a one, and publishing
  // replaces it.
  std::optional<LayerRecord> find(const ChainId& chain) const;
  // Removes those of a dead process's driver directories that no metadata names. Returns those that have to wait, since
  // damaged metadata may name them.
  std::vector<LayerId> clear(const std::vector<LayerId>& left);

 private:
  size_t skip_known(const std::optional<ChainId>& base, const std::vector<LayerSource>& sources,
                    std::vector<LayerRecord>& records);
  std::optional<std::vector<LayerRecord>> publish(const std::optional<ChainId>& base, std::vector<StagedLayer>& layers,
                                                  bool early);
  std::optional<LayerId> layer_below(const ContainerBase& base) const;
  std::optional<LayerId> base_layer(const std::optional<ChainId>& base) const;
  std::set<LayerId> named_layers(std::vector<Damage>& damage) const;

  Driver& driver_;
  MetadataStore& metadata_;
  unsigned jobs_;
  Progress& progress_;
  std::function<void()> guard_;
};

}  // namespace cairn
