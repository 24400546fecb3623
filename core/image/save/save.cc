#include "core/image/save/save.h"

#include <algorithm>
#include <map>

#include "core/archive/tar_split.h"
#include "core/image/image_store.h"
#include "core/image/save/archive_file.h"
#include "core/image/save/counted_sink.h"
#include "core/image/save/forms.h"
#include "core/image/save/kept_manifests.h"
#include "core/image/save/packer.h"
#include "core/image/save/saved_image.h"
#include "core/image/save/v1_layers.h"
#include "core/layer/stored_layer.h"
#include "core/util/error.h"
#include "core/util/workers.h"

namespace cairn {
namespace {

class Saving {
 public:
  Saving(std::span<const ChosenImage> images, const SaveOptions& options, LayerStore& layers, MetadataStore& metadata,
         Progress& progress)
      : options_(options),
        layers_(layers),
        metadata_(metadata),
        progress_(progress),
        packer_(layers, progress, options.scratch, options.scratch_hint) {
    for (const auto& image : images) add(image);
    for (auto& image : plan_.images) link_parent(image);
    for (const auto& image : plan_.images) need_layers(image);
  }

  SaveResult run(SaveOutput output) {
    measure();
    if (is_oci()) find_manifests();
    if (options_.gzip) packer_.pack(gzipped(), options_.jobs);
    for (auto& image : plan_.images) add_blobs(image);
    announce();
    const auto members = is_oci() ? oci_members(plan_) : docker_members(plan_);
    const bool in_order = output.file < 0;
    write_archive(
        members, [&](const SavedBlob& blob, ByteSink& out) { write(blob, in_order, out); }, output, options_.jobs);
    return result();
  }

 private:
  bool is_oci() const { return options_.form == SaveOptions::Form::oci; }

  void add(const ChosenImage& chosen) {
    SavedImage image{chosen.id, chosen.tags, "", {}, 0, std::nullopt};
    while_doing([&] { return "saving image '" + printable(image.label()) + "'"; },
                [&] {
                  image.config = metadata_.images().config(chosen.id);
                  image.diffs = read_image_config(image.config).diff_ids;
                  image.created = created_time(image.config);
                });
    plan_.images.push_back(std::move(image));
  }

  // As engines do: a parent is worth naming if it comes along.
  void link_parent(SavedImage& image) {
    const auto parent = metadata_.images().parent(image.id);
    for (const auto& other : plan_.images)
      if (parent && other.id == *parent && other.id != image.id) image.parent = parent;
  }

  // The store has the layers that are not left out.
  void need_layers(const SavedImage& image) {
    const size_t held = options_.held.count_of(image.diffs);
    std::optional<ChainId> chain;
    for (size_t i = 0; i < image.diffs.size(); ++i) {
      chain = chain_id(chain, image.diffs[i]);
      all_.emplace(image.diffs[i], Layer{*chain, image.label(), std::nullopt});
      if (i < held) continue;
      needed_.emplace(image.diffs[i], LayerPacker::Wanted{*chain, image.label()});
      // The chain that stands for the DiffID may be another image's, which is there without this layer.
      all_.at(image.diffs[i]).chain = needed_.at(image.diffs[i]).chain;
    }
  }

  // What each layer's tar will be long. One that is left out need not be there.
  void measure() {
    std::vector<std::pair<const DiffId, Layer>*> todo;
    for (auto& layer : all_) todo.push_back(&layer);
    run_parallel(options_.jobs, todo.size(), [&](size_t i) {
      auto& [diff, layer] = *todo[i];
      try {
        while_doing(
            [&, &one = layer] {
              return "saving image '" + printable(one.image) + "': measuring layer " + one.chain.str();
            },
            [&, &one = layer] {
              if (!metadata_.layers().find(one.chain))
                throw Error(Errc::corrupt, "the store has no such layer; load the image again");
              one.bytes = reassembled_size(*metadata_.layers().open_tar_split(one.chain));
            });
      } catch (const Error& e) {
        if (needed_.contains(diff) || e.code() == Errc::interrupted) throw;
      }
    });
  }

  void find_manifests() {
    size_t lost = 0;
    std::string one;
    for (auto& image : plan_.images) {
      bool none_fits = false;
      auto found = while_doing([&] { return "saving image '" + printable(image.label()) + "'"; },
                               [&] {
                                 return kept_manifest(metadata_.manifests(), image.id, image.diffs, needed_, packer_,
                                                      options_.jobs, none_fits);
                               });
      if (found) {
        image.kept = found->bytes;
        kept_.emplace(image.id, std::move(found->layers));
      } else if (none_fits && ++lost == 1) {
        one = image.label();
      }
    }
    if (lost > 0)
      hints_.push_back("image '" + printable(one) + "'" +
                       (lost > 1 ? " and " + std::to_string(lost - 1) + " more" : "") +
                       " came with a manifest whose compressed layers cannot be made again byte for byte: the archive "
                       "has a new manifest, with another digest");
  }

  // What is to be compressed because the user says so.
  NeededLayers gzipped() const {
    NeededLayers out;
    for (const auto& image : plan_.images)
      for (const auto& diff : image.diffs)
        if (const auto layer = needed_.find(diff); !image.kept && layer != needed_.end()) out.insert(*layer);
    return out;
  }

  void add_blobs(SavedImage& image) {
    const auto kept = kept_.find(image.id);
    for (size_t i = 0; i < image.diffs.size(); ++i)
      image.blobs.push_back(add_blob(image.diffs[i], kept == kept_.end() ? nullptr : &kept->second[i]));
  }

  size_t add_blob(const DiffId& diff, const Descriptor* kept) {
    const Layer& layer = all_.at(diff);
    SavedBlob blob{layer.chain,   diff,
                   layer.image,   layer.bytes.value_or(0),
                   options_.gzip, !needed_.contains(diff),
                   diff.value,    layer.bytes.value_or(0)};
    if (kept)
      blob.gzip = digest_of(*kept) != diff.value;
    else if (blob.left_out)
      blob.gzip = false;
    if (blob.gzip && blob.left_out) {
      blob.digest = digest_of(*kept);
      blob.bytes = static_cast<uint64_t>(std::max<int64_t>(kept->size, 0));
    } else if (blob.gzip) {
      const auto& packed = packer_.at(diff);
      blob.digest = packed.digest;
      blob.bytes = packed.bytes;
      blob.packed = packed.file.get();
    }
    const auto [known, fresh] = places_.emplace(std::pair(diff, blob.digest), plan_.blobs.size());
    if (fresh) plan_.blobs.push_back(std::move(blob));
    return known->second;
  }

  void announce() {
    uint64_t bytes = 0, items = 0;
    for (const auto& blob : plan_.blobs)
      if (!blob.left_out) bytes += blob.bytes + (blob.gzip ? blob.tar_bytes : 0), items += blob.gzip ? 2 : 1;
    progress_.total(bytes, items);
  }

  void write(const SavedBlob& blob, bool in_order, ByteSink& out) {
    progress_.state(blob.label(), "writing");
    progress_.expect(blob.bytes);
    CountedSink counted(out, progress_);
    while_doing([&] { return "saving image '" + printable(blob.image) + "'"; },
                [&] {
                  if (blob.packed >= 0)
                    copy(*read_range(blob.packed, 0, blob.bytes), counted);
                  else if (in_order)  // whoever takes the bytes need not wait for the next ones
                    copy(*read_layer(layers_, blob.chain), counted);
                  else
                    layers_.write_tar(blob.chain, counted);
                });
    progress_.state(blob.label(), "written");
    progress_.item_done();
  }

  SaveResult result() {
    SaveResult out;
    for (const auto& [diff, layer] : all_) {
      const bool needed = needed_.contains(diff);
      ++(needed ? out.layers : out.left_out);
      (needed ? out.bytes : out.bytes_left_out) += layer.bytes.value_or(0);
    }
    out.hints = std::move(hints_);
    return out;
  }

  struct Layer {
    ChainId chain;
    std::string image;  // the first that has it
    std::optional<uint64_t> bytes;
  };

  const SaveOptions& options_;
  LayerStore& layers_;
  MetadataStore& metadata_;
  Progress& progress_;
  LayerPacker packer_;
  SavePlan plan_;
  std::map<DiffId, Layer> all_;
  NeededLayers needed_;  // not left out
  std::map<ImageId, std::vector<Descriptor>> kept_;
  std::map<std::pair<DiffId, Digest>, size_t> places_;  // in plan_.blobs
  std::vector<std::string> hints_;
};

}  // namespace

SaveResult save_images(std::span<const ChosenImage> images, const SaveOptions& options, LayerStore& layers,
                       MetadataStore& metadata, SaveOutput output, Progress& progress) {
  return Saving(images, options, layers, metadata, progress).run(output);
}

}  // namespace cairn
