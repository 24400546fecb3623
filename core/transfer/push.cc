#include "core/transfer/push.h"

#include <algorithm>
#include <map>

#include "core/archive/compression.h"
#include "core/image/image_store.h"
#include "core/util/error.h"
#include "core/util/workers.h"

namespace cairn {
namespace {

constexpr size_t kMostAsked = 8;  // blobs of one layer that the registry is asked for

class Push {
 public:
  Push(const ImageId& image, RemoteRepository& to, const PushSource& from, const PushOptions& options)
      : to_(to), from_(from), options_(options), store_(from.metadata), config_(store_.images().config(image)) {
    image_ = read_image_config(config_);
    for (const auto& digest : store_.manifests().of(image)) use_kept(digest);
    std::optional<ChainId> chain;
    for (const auto& diff : image_.diff_ids) {
      chain = chain_id(chain, diff);
      chains_.try_emplace(diff, *chain);
    }
  }

  PushedImage run(const std::string& tag) {
    push_layers();
    std::vector<Descriptor> layers;
    for (const auto& diff : image_.diff_ids) layers.push_back(blobs_.at(diff));
    const std::string manifest = manifest_of(push_config(), layers);
    PushedImage out{to_.put_manifest(tag.empty() ? manifest_digest(manifest).str() : tag,
                                     media_type_of(parse_manifest(manifest)), manifest),
                    manifest.size(),
                    manifest,
                    {}};
    for (const auto& [diff, blob] : blobs_) out.layers.push_back({diff, digest_of(blob)});
    return out;
  }

 private:
  bool is_oci(const Manifest& manifest) const { return media_type_of(manifest) == media_type::oci_manifest; }

  // The newest manifest that fits is the one to give again.
  void use_kept(const Digest& digest) {
    const auto bytes = store_.manifests().find(digest);
    if (!bytes) return;
    Manifest read = parse_manifest(*bytes);
    if (read.kind != Manifest::Kind::image || !read.config || read.layers.size() != image_.diff_ids.size()) return;
    if (options_.format && (*options_.format == ManifestFormat::oci) != is_oci(read)) return;
    for (size_t i = 0; i < read.layers.size(); ++i)  // or it names blobs of which nobody here ever saw what they hold
      if (store_.distribution().diff_of(digest_of(read.layers[i])) != image_.diff_ids[i]) return;
    kept_bytes_ = *bytes;
    kept_ = std::move(read);
  }

  bool oci() const { return options_.format ? *options_.format == ManifestFormat::oci : kept_ && is_oci(*kept_); }

  // ---- layers ----

  void push_layers() {
    std::vector<std::pair<DiffId, LayerRecord>> wanted;
    uint64_t bytes = 0;
    for (const auto& [diff, chain] : chains_) {
      const auto record = from_.layers.find(chain);
      if (!record)
        throw Error(Errc::corrupt, "reading the image: its layer " + chain.str() + " is not in the store, or damaged");
      from_.progress.state(label_of(diff), "waiting");
      bytes += static_cast<uint64_t>(std::max<int64_t>(record->size, 0));
      wanted.emplace_back(diff, *record);
    }
    from_.progress.total(bytes, wanted.size());
    std::stable_sort(wanted.begin(), wanted.end(),
                     [](const auto& a, const auto& b) { return a.second.size > b.second.size; });
    run_parallel(options_.at_once, wanted.size(), [&](size_t i) {
      Descriptor blob = while_doing([&] { return "pushing " + label_of(wanted[i].first); },
                                    [&] { return push_layer(wanted[i].first, wanted[i].second); });
      const std::lock_guard lock(mutex_);
      blobs_.emplace(wanted[i].first, std::move(blob));
    });
  }

  static std::string label_of(const DiffId& diff) { return "layer " + diff.hex().substr(0, 12); }

  Descriptor push_layer(const DiffId& diff, const LayerRecord& record) {
    const std::string label = label_of(diff);
    const auto size = static_cast<uint64_t>(std::max<int64_t>(record.size, 0));
    from_.progress.state(label, "asking");
    const auto known = known_blobs(diff);
    const auto end = [&](const char* state) {
      from_.progress.advance(size);
      from_.progress.state(label, state);
      from_.progress.item_done();
    };
    for (const auto& blob : known)
      if (const auto bytes = to_.size_of(blob.digest)) return end("exists"), descriptor(blob.digest, *bytes);
    for (const auto& blob : known) {
      const std::string path = path_here(blob.repository);
      if (path.empty() || !to_.mount(blob.digest, path)) continue;
      if (const auto bytes = to_.size_of(blob.digest)) return end("mounted"), descriptor(blob.digest, *bytes);
    }
    from_.progress.state(label, "pushing");
    from_.progress.expect(size);
    const UploadedBlob sent = to_.upload([&](ByteSink& out) {
      GzipSink packed(out);
      Counted counted(packed, from_.progress);
      from_.layers.write_tar(record.chain, counted);
      packed.finish();
    });
    from_.progress.state(label, "pushed");
    from_.progress.item_done();
    return descriptor(sent.digest, sent.size);
  }

  class Counted : public ByteSink {
   public:
    Counted(ByteSink& next, Progress& progress) : next_(next), progress_(progress) {}
    void write(std::span<const char> bytes) override { progress_.advance(bytes.size()), next_.write(bytes); }

   private:
    ByteSink& next_;
    Progress& progress_;
  };

  // Blobs that inflate to the layer: the kept manifest's first, then the latest heard of.
  std::vector<KnownBlob> known_blobs(const DiffId& diff) const {
    std::vector<KnownBlob> out;
    const auto noted = store_.distribution().blobs_of(diff);
    for (size_t i = 0; kept_ && i < image_.diff_ids.size(); ++i)
      if (image_.diff_ids[i] == diff) {
        const Digest digest = digest_of(kept_->layers[i]);
        for (const auto& blob : noted)
          if (blob.digest == digest) out.push_back(blob);
        if (out.empty()) out.push_back({digest, ""});
        break;
      }
    for (auto blob = noted.rbegin(); blob != noted.rend() && out.size() < kMostAsked; ++blob)
      if (std::find(out.begin(), out.end(), *blob) == out.end() && store_.distribution().diff_of(blob->digest) == diff)
        out.push_back(*blob);
    return out;
  }

  // The path of another repository of the same registry; "" otherwise.
  std::string path_here(const std::string& repository) const {
    const std::string domain = to_.name().substr(0, to_.name().find('/') + 1);
    return repository.starts_with(domain) && repository != to_.name() ? repository.substr(domain.size()) : "";
  }

  Descriptor descriptor(const Digest& blob, uint64_t size) const {
    if (kept_)
      for (const auto& layer : kept_->layers)
        if (layer.digest == blob.str()) return layer;
    Descriptor out;
    out.media_type = oci() ? media_type::oci_gzip_layer : media_type::docker_layer;
    out.digest = blob.str();
    out.size = static_cast<int64_t>(size);
    return out;
  }

  // ---- what names them ----

  Descriptor push_config() {
    const Digest digest = Digest::of(config_);
    if (!to_.size_of(digest)) to_.upload([&](ByteSink& out) { out.write(config_); });
    Descriptor out;
    out.media_type = oci() ? media_type::oci_config : media_type::docker_config;
    out.digest = digest.str();
    out.size = static_cast<int64_t>(config_.size());
    return out;
  }

  std::string manifest_of(const Descriptor& config, const std::vector<Descriptor>& layers) const {
    const bool same = kept_ && std::equal(layers.begin(), layers.end(), kept_->layers.begin(), kept_->layers.end(),
                                          [](const auto& a, const auto& b) { return a.digest == b.digest; });
    return same ? kept_bytes_ : encode_manifest(oci() ? media_type::oci_manifest : media_type::schema2, config, layers);
  }

  RemoteRepository& to_;
  const PushSource& from_;
  const PushOptions& options_;
  MetadataStore& store_;
  const std::string config_;
  ImageConfig image_;
  std::string kept_bytes_;
  std::optional<Manifest> kept_;
  std::map<DiffId, ChainId> chains_;  // one that has it
  std::mutex mutex_;
  std::map<DiffId, Descriptor> blobs_;  // in the registry
};

}  // namespace

PushedImage push_image(const ImageId& image, RemoteRepository& to, const std::string& tag, const PushSource& from,
                       const PushOptions& options) {
  return while_doing([&] { return "pushing '" + to.name() + (tag.empty() ? "" : ":" + tag) + "'"; },
                     [&] { return Push(image, to, from, options).run(tag); });
}

void note_pushed(const PushedImage& pushed, const ImageId& image, const Reference& name, const RemoteRepository& to,
                 LayerStore& layers, MetadataStore& metadata) {
  const FileLock lock = layers.exclusive();
  for (const auto& layer : pushed.layers)
    metadata.distribution().add(layer.diff, {layer.blob, to.name(), to.note_of(layer.blob)});
  metadata.manifests().put(pushed.manifest, image);
  const std::string by_digest = name.repository() + "@" + pushed.digest.str();
  const References::Map all = metadata.references().all();
  const auto repository = all.find(name.repository());
  if (repository != all.end() && repository->second.contains(by_digest)) return;
  metadata.references().update({{by_digest, image}}, {});
}

}  // namespace cairn
