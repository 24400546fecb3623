#include "core/transfer/pull.h"

#include <algorithm>
#include <map>

#include "core/image/image_store.h"
#include "core/image/schema1.h"
#include "core/layer/concurrent_layers.h"
#include "core/layer/layer_stack.h"
#include "core/util/error.h"

namespace cairn {
namespace {

constexpr size_t kMaxConfig = 8u << 20;
constexpr size_t kMaxLayers = 125;  // engines refuse to register more
constexpr int kMaxNesting = 4;      // of indexes
constexpr int kRounds = 3;          // when others remove what we build on

class Pull {
 public:
  Pull(RemoteRepository& from, const Reference& reference, const PullTarget& into, const PullOptions& options)
      : from_(from), reference_(reference), into_(into), options_(options), store_(into.metadata) {}

  PulledImage run() {
    const RemoteManifest named = fetch(reference_.digest.empty() ? reference_.tag : reference_.digest);
    const RemoteManifest manifest = choose(named);
    for (int round = 1;; ++round) {
      const ImageId id = manifest_kind(manifest) == Manifest::Kind::schema1 ? pull_schema1(manifest) : pull(manifest);
      if (const auto changed = name(id, manifest, named)) return {id, named.digest, reference_, *changed};
      if (round == kRounds)
        throw Error(Errc::in_use, "naming image '" + id.str() + "': its layers are removed as soon as they are here");
    }
  }

 private:
  static Manifest::Kind manifest_kind(const RemoteManifest& manifest) { return parse_manifest(manifest.bytes).kind; }

  // ---- what is it ----

  // From the store, if it was kept; a tag costs one short request then.
  RemoteManifest fetch(const std::string& tag_or_digest) {
    const auto digest = is_digest(tag_or_digest) ? Digest::parse(tag_or_digest) : from_.resolve(tag_or_digest);
    if (const auto kept = digest ? store_.manifests().find(*digest) : std::nullopt) {
      const bool is_signed = parse_manifest(*kept).kind == Manifest::Kind::schema1;
      return {"", *kept, is_signed ? schema1_payload(*kept) : *kept, *digest};
    }
    return from_.manifest(tag_or_digest);
  }

  RemoteManifest choose(RemoteManifest manifest) {
    for (int depth = 0;; ++depth) {
      const Manifest read = parse_manifest(manifest.bytes);
      if (read.kind != Manifest::Kind::index) return manifest;
      if (depth == kMaxNesting) throw Error(Errc::corrupt, "choosing an image: indexes are nested too deeply");
      const auto fitting = best_for(options_.platform, read.manifests, false);
      if (fitting.empty()) throw Error(Errc::not_found, "choosing an image: the index lists none");
      manifest = fetch(digest_of(fitting.front()).str());
    }
  }

  // ---- schema 2 and OCI ----

  ImageId pull(const RemoteManifest& manifest) {
    const Manifest read = parse_manifest(manifest.bytes);
    check_type(manifest, read);
    const std::string config = fetch_config(*read.config);
    const ImageConfig parsed = read_image_config(config);
    check_platform(parsed);
    if (parsed.diff_ids.size() != read.layers.size())
      throw Error(Errc::corrupt, "comparing them: the manifest has " + std::to_string(read.layers.size()) +
                                     " layers, its configuration " + std::to_string(parsed.diff_ids.size()));
    check_count(read.layers.size());
    std::vector<LayerSource> sources;
    for (size_t i = 0; i < read.layers.size(); ++i) sources.push_back(source_of(read.layers[i], parsed.diff_ids[i]));
    announce(sources);
    const auto arrived = register_concurrently(into_.layers, into_.driver, store_.layers(), std::move(sources),
                                               options_.at_once, into_.progress);
    // Of a layer that was here already, only the manifest says that the blob inflates to it: whoever wrote that may
    // lie.
    for (size_t i = 0; i < arrived.size(); ++i) {
      const Digest blob = digest_of(read.layers[i]);
      if (arrived[i].blob_checked || store_.distribution().diff_of(blob) == parsed.diff_ids[i])
        note(parsed.diff_ids[i], blob);
    }
    return made_of(config, parsed.diff_ids);
  }

  ImageId made_of(const std::string& config, std::span<const DiffId> diff_ids) {
    config_ = config;
    chain_ = top_chain(diff_ids);
    return ImageId(Digest::of(config));
  }

  static void check_type(const RemoteManifest& manifest, const Manifest& read) {
    if (!read.config)
      throw Error(Errc::unsupported, "reading manifest " + manifest.digest.str() + ": it has no configuration");
    const std::string& type = read.config->media_type;
    const bool vague = type.empty() || type == "application/octet-stream" || type == "application/json" ||
                       type == "text/html";  // of registries that did not know better
    if (!vague && type != media_type::docker_config && !type.starts_with("application/vnd.oci.image."))
      throw Error(Errc::unsupported, "reading manifest " + manifest.digest.str() + ": it is of no image, but of '" +
                                         printable(type, 100) + "'");
  }

  void check_platform(const ImageConfig& config) const {
    if (!config.os.empty() && config.os != "linux")
      throw Error(Errc::unsupported,
                  "checking the configuration: the image is for " + printable(config.os, 40) + ", not for linux");
    const Platform offered{"linux", config.architecture, config.variant};
    if (!options_.any_platform && !config.architecture.empty() && platform_fit(options_.platform, offered) == 0)
      throw Error(Errc::not_found, "choosing an image: there is one only, for " + printable(offered.text(), 60) +
                                       ", not for " + options_.platform.text());
  }

  static void check_count(size_t layers) {
    if (layers > kMaxLayers)
      throw Error(Errc::unsupported, "counting the layers: there are " + std::to_string(layers) + ", engines take " +
                                         std::to_string(kMaxLayers));
  }

  std::string fetch_config(const Descriptor& blob) {
    const Digest digest = digest_of(blob);
    try {
      return store_.images().config(ImageId(digest));
    } catch (const Error& e) {
      if (e.code() != Errc::not_found && e.code() != Errc::corrupt) throw;
    }
    return while_doing([&] { return "fetching the configuration"; },
                       [&] {
                         std::string text = read_all(*from_.blob(blob), kMaxConfig);
                         if (Digest::of(text) != digest)
                           throw Error(Errc::corrupt, "checking it: its digest is " + Digest::of(text).str() +
                                                          ", expected " + digest.str());
                         return text;
                       });
  }

  static std::string label_of(const Digest& blob) { return "layer " + blob.hex().substr(0, 12); }

  LayerSource source_of(const Descriptor& layer, const DiffId& diff) {
    const Digest digest = digest_of(layer);
    return {[this, layer] { return from_.blob(layer); }, digest, diff,
            static_cast<uint64_t>(std::max<int64_t>(layer.size, 0)), label_of(digest)};
  }

  void announce(const std::vector<LayerSource>& sources) {
    uint64_t bytes = 0;
    for (const auto& source : sources) bytes += source.size_hint;
    into_.progress.total(bytes, sources.size());
  }

  void note(const DiffId& diff, const Digest& blob) { store_.distribution().add(diff, {blob, from_.name()}); }

  // ---- schema 1: what a layer holds is known when it is here ----

  ImageId pull_schema1(const RemoteManifest& manifest) {
    const Schema1Image image = read_schema1(manifest.payload);
    std::vector<LayerSource> sources;
    std::optional<ChainId> chain;
    bool known = true;
    for (const auto& step : image.steps) {
      if (step.throwaway) continue;
      Descriptor blob;
      blob.digest = step.blob.str();
      LayerSource source{[this, blob] { return from_.blob(blob); }, step.blob, std::nullopt, 0, label_of(step.blob)};
      const auto diff = known ? store_.distribution().diff_of(step.blob) : std::nullopt;
      if (diff) chain = chain_id(chain, *diff);
      known = diff && into_.layers.find(*chain);
      if (known) source.diff = diff;
      sources.push_back(std::move(source));
    }
    check_count(sources.size());
    announce(sources);
    std::vector<Digest> blobs;
    blobs.reserve(sources.size());
    for (const auto& source : sources) blobs.push_back(*source.blob);
    const auto records = into_.layers.register_layers(std::nullopt, std::move(sources));
    std::vector<DiffId> diffs;
    for (size_t i = 0; i < records.size(); ++i) {
      diffs.push_back(records[i].diff);
      note(records[i].diff, blobs[i]);
    }
    const std::string config = config_of(image, diffs);
    check_platform(read_image_config(config));
    return made_of(config, diffs);
  }

  // ---- names ----

  // Whether the name changed; nullopt if the layers are gone again.
  std::optional<bool> name(const ImageId& id, const RemoteManifest& manifest, const RemoteManifest& named) {
    const FileLock lock = into_.layers.exclusive();
    if (!layer_stack(store_.layers(), chain_)) return std::nullopt;
    store_.manifests().put(manifest.bytes, id);
    if (named.digest != manifest.digest) store_.manifests().put(named.bytes, std::nullopt);
    store_.images().put(config_);
    const References::Map all = store_.references().all();
    const auto image_of = [&](const std::string& reference) -> std::optional<ImageId> {
      const auto repository = all.find(reference_.repository());
      if (repository == all.end()) return std::nullopt;
      const auto found = repository->second.find(reference);
      return found == repository->second.end() ? std::nullopt : std::optional(found->second);
    };
    std::map<std::string, ImageId> add;
    if (reference_.digest.empty()) add.emplace(reference_.familiar(), id);
    const std::string by_digest = reference_.repository() + "@" + named.digest.str();
    const auto other = image_of(by_digest);
    if (!other)
      add.emplace(by_digest, id);
    else if (*other != id)
      into_.progress.warn("naming image '" + id.str() + "' '" + by_digest + "': that is the name of " + other->str() +
                          " here, which was taken from the same index for another platform");
    const bool changed = image_of(reference_.familiar()) != id;
    store_.references().update(add, {});
    return changed;
  }

  RemoteRepository& from_;
  const Reference& reference_;
  const PullTarget& into_;
  const PullOptions& options_;
  MetadataStore& store_;
  std::string config_;            // of the image
  std::optional<ChainId> chain_;  // its top layer
};

}  // namespace

PulledImage pull_image(RemoteRepository& from, const Reference& reference, const PullTarget& into,
                       const PullOptions& options) {
  return while_doing([&] { return "pulling '" + reference.text() + "'"; },
                     [&] { return Pull(from, reference, into, options).run(); });
}

}  // namespace cairn
