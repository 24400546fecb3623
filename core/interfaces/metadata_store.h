// What is on disk about layers and images in the content-addressed layout (formats: content-addressed). Contracts only;
// graphdb/ implements them. Readers take no lock. Writers: see LayerStore for who may call what when.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/archive/stream.h"
#include "core/digest/digest.h"
#include "core/interfaces/damage.h"
#include "core/util/ids.h"

namespace cairn {

struct LayerRecord {  // layerdb/sha256/<chain>
  ChainId chain;
  DiffId diff;
  std::optional<ChainId> parent;
  LayerId cache_id;
  int64_t size = 0;
};

struct MountRecord {  // layerdb/mounts/<name>
  std::string name;   // container id
  LayerId mount_id;
  std::optional<LayerId> init_id;
  std::optional<ChainId> parent;
  std::optional<ImageId> image{};  // `parent` may be that of several; of `cairn create` only: engines keep it elsewhere
};

// What of an entry that cannot be loaded can still be read, each member by itself.
struct LayerRemains {
  std::optional<DiffId> diff;
  std::optional<ChainId> parent;
  std::optional<LayerId> cache_id;
  std::optional<int64_t> size;
};
struct MountRemains {
  std::optional<LayerId> mount_id, init_id;
  std::optional<ChainId> parent;
};

// A layer or mount being registered: a directory below layerdb/tmp that names its driver directories before they are
// made, durable and locked while this process lives, so that a crash leaves a recognisable trace (see abandoned()).
class LayerTransaction {
 public:
  virtual ~LayerTransaction() = default;  // removes the directory unless published or kept
  // From the start again, with these driver directories, nothing of what was there.
  virtual void restart(const std::vector<LayerId>& driver_ids) = 0;
  virtual ByteSink& tar_split() = 0;  // content of tar-split.json.gz, gzip included
  // Leaves all as it is for the next claim(), should this process end before publish(): `content` says what there is.
  // Holds until the machine restarts, since nothing is durable yet, and for a day.
  virtual void keep(const std::string& content) = 0;
  virtual void keep_no_more() = 0;
  virtual void prepare(const LayerRecord& record) = 0;  // writes diff, size, cache-id, parent; nothing durable yet
  // Renames to its final name. False, and the directory is removed, if the chain is there already. The caller holds the
  // publish lock and has made everything durable.
  virtual bool publish() = 0;
};

class LayerMetadata {
 public:
  virtual ~LayerMetadata() = default;
  // Loadable layers (all files valid, parents loadable). What is not is appended to `damage`.
  virtual std::vector<LayerRecord> list(std::vector<Damage>* damage = nullptr) const = 0;
  virtual std::optional<LayerRecord> find(const ChainId& chain) const = 0;  // corrupt if there but unreadable
  virtual LayerRemains remains(const ChainId& chain) const = 0;
  virtual std::unique_ptr<ByteSource> open_tar_split(
      const ChainId& chain) const = 0;  // JSON lines; not_found if absent
  virtual std::unique_ptr<ByteSource> open_raw_tar_split(const ChainId& chain) const = 0;  // tar-split.json.gz as it is
  virtual std::unique_ptr<LayerTransaction> begin(const std::vector<LayerId>& driver_ids) = 0;
  // The one transaction for `chain`; nullopt while another process has it.
  struct Claim {
    std::unique_ptr<LayerTransaction> transaction;  // to be restarted, unless something was kept
    std::vector<LayerId> left;        // driver directories of a process that died over it: this stays while
                                      // they may, until restart() or keep_no_more()
    std::optional<std::string> kept;  // what it said of them when they were complete
  };
  virtual std::optional<Claim> claim(const ChainId& chain) = 0;
  virtual void remove(const ChainId& chain) = 0;  // renames to …-removing first; forget() ends it

  virtual std::vector<MountRecord> mounts(std::vector<Damage>* damage = nullptr) const = 0;
  virtual std::optional<MountRecord> find_mount(const std::string& name) const = 0;
  virtual MountRemains mount_remains(const std::string& name) const = 0;
  virtual void add_mount(const MountRecord& record) = 0;  // complete or absent: made in tmp and renamed
  virtual void remove_mount(const std::string& name) = 0;

  // Driver ids of transactions whose process is gone, and of removals cut short. `forget` deletes the traces. Nobody
  // claims one while it is in such a list.
  struct Abandoned {
    std::string trace;
    std::vector<LayerId> driver_ids;
    std::shared_ptr<const void> held{};
  };
  virtual std::vector<Abandoned> abandoned() const = 0;
  virtual void forget(const Abandoned& trace) = 0;

  virtual int sync_fd() const = 0;
};

class ImageMetadata {  // imagedb
 public:
  virtual ~ImageMetadata() = default;
  virtual std::vector<ImageId> list() const = 0;            // every content file with a valid name, sorted
  virtual std::string config(const ImageId& id) const = 0;  // verified: its sha256 is `id`, else corrupt; not_found
  virtual ImageId put(const std::string& config) = 0;       // durable; same content again is fine
  virtual std::optional<ImageId> parent(const ImageId& id) const = 0;
  virtual void set_parent(const ImageId& id, const ImageId& parent) = 0;
  // What engines keep beside an image (lastUpdated, builtLocally and the like), but for its parent: content by name.
  virtual std::map<std::string, std::string> notes(const ImageId& id) const = 0;
  virtual void put_note(const ImageId& id, const std::string& name, const std::string& content) = 0;
  virtual void remove(const ImageId& id) = 0;
};

// repositories.json. Keys are familiar references ("busybox:latest", "localhost:5000/x@sha256:…").
class References {
 public:
  using Map = std::map<std::string, std::map<std::string, ImageId>>;  // repository -> reference -> image
  virtual ~References() = default;
  virtual Map all() const = 0;                               // corrupt if the file is no JSON of that shape
  virtual Map whole(std::vector<Damage>& damage) const = 0;  // then at least what it holds before it is cut off
  // Applies additions (tags move, digests may not) and removals, and replaces the file once. Caller holds the lock.
  virtual void update(const std::map<std::string, ImageId>& add, const std::vector<std::string>& remove) = 0;
};

// A blob that a layer was shipped as, and where.
struct KnownBlob {
  Digest digest;
  std::string repository;  // canonical, "" if unknown
  std::string hmac{};      // of both, keyed by the credentials it was pushed with; "" if it was pulled
  bool operator==(const KnownBlob&) const = default;
};

class Distribution {  // caches of the engine: absent or stale is harmless
 public:
  virtual ~Distribution() = default;
  virtual void add(const DiffId& diff, const KnownBlob& blob) = 0;
  virtual std::optional<DiffId> diff_of(const Digest& blob) const = 0;
  virtual std::vector<KnownBlob> blobs_of(const DiffId& diff) const = 0;  // newest last
  // All that is known of a layer's blobs, in the engine's bytes; to be put into another store. corrupt if
  // that is damaged.
  virtual std::optional<std::string> record(const DiffId& diff) const = 0;
  virtual void put_record(const DiffId& diff, const std::string& record) = 0;
};

// Manifests as registries gave or took them: bytes that nothing else in a store could give back. Engines know nothing
// of them and leave them alone. A cache: absent or damaged is as if it had not been kept.
class Manifests {
 public:
  virtual ~Manifests() = default;
  // A manifest of `image`, or (without one) an index. Durable. Returns its digest (see manifest_digest()).
  virtual Digest put(const std::string& bytes, const std::optional<ImageId>& image) = 0;
  virtual std::optional<std::string> find(const Digest& digest) const = 0;
  virtual std::vector<Digest> of(const ImageId& image) const = 0;  // newest last; find() may have lost some
  // The image is gone, and its manifests go, too.
  virtual void remove(const ImageId& image) = 0;
  virtual void remove(const Digest& index) = 0;  // absent is success
};

// containers/<id>: files by name. Names are validated; values are the engine's own JSON, bytes kept.
class Containers {
 public:
  virtual ~Containers() = default;
  virtual std::vector<std::string> list() const = 0;  // ids with a config.v2.json (or config.json), sorted
  virtual std::string config(const std::string& id) const = 0;
  virtual std::optional<std::string> host_config(const std::string& id) const = 0;
  virtual void put(const std::string& id, const std::map<std::string, std::string>& files) = 0;  // by rename, durable
  virtual void remove(const std::string& id) = 0;
};

// One driver's world below a root. Opening creates nothing; writers call prepare() first.
class MetadataStore {
 public:
  virtual ~MetadataStore() = default;
  virtual LayerMetadata& layers() = 0;
  virtual ImageMetadata& images() = 0;
  virtual References& references() = 0;
  virtual Distribution& distribution() = 0;
  virtual Manifests& manifests() = 0;
  virtual Containers& containers() = 0;
  virtual void prepare() = 0;       // makes image/DRV/… and what a starting engine expects
  virtual int lock_fd() const = 0;  // what the publish lock is taken on (after prepare)
};

}  // namespace cairn
