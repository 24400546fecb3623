#include "core/image/import_image.h"

#include "core/image/image_store.h"
#include "core/util/error.h"

namespace cairn {

ImageId import_image(std::unique_ptr<ByteSource> tar, const ImportOptions& options, LayerStore& layers,
                     MetadataStore& metadata) {
  NewImage image;
  image.config = options.config;
  image.platform = options.platform;
  image.created = options.created;
  // docker's program always sends the tar itself, whatever file it is in.
  image.comment = options.message.empty() ? "Imported from -" : options.message;
  image.history.push_back({{options.created}, "", "", image.comment, false});

  std::vector<StagedLayer> staged;
  staged.push_back(layers.stage(std::move(tar), std::nullopt, std::nullopt, options.label));
  if (staged.front().blob_bytes == 0)
    throw Error(Errc::invalid, "importing " + options.label + ": there is nothing in it; see what was to write it");
  image.diff_ids.push_back(staged.front().diff);
  layers.publish(std::nullopt, std::move(staged));
  return create_image(layers, metadata, image.json());
}

}  // namespace cairn
