#include "cli/report/migrated_forest.h"

namespace cairn {

LayerForest layer_forest(const MigrationReport& report) {
  ForestContent content;
  for (const auto& layer : report.layers)
    content.layers.push_back({layer.source_id, layer.parent, layer.size, layer.status, layer.status == "failed"});
  for (const auto& image : report.images)
    content.images.push_back({image.image_id.empty() ? image.source_id : image.image_id, image.tags, image.layer,
                              image.status + (image.error.empty() ? "" : ": " + image.error),
                              image.status == "failed"});
  return layer_forest(std::move(content));
}

}  // namespace cairn
