// Writes images as an archive that engines of any age, skopeo and cairn load (formats: registry, 6 and 7). Two savings
// of the same images give the same bytes, and so do two stores that have them.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "core/image/save/held_layers.h"
#include "core/image/save/selection.h"
#include "core/interfaces/metadata_store.h"
#include "core/interfaces/progress.h"
#include "core/layer/layer_store.h"

namespace cairn {

struct SaveOptions {
  enum class Form {
    docker,  // what `docker save` of 1.10 to 24 writes, which older engines load, too
    oci      // an OCI image layout, with a manifest.json for engines
  } form = Form::docker;
  bool gzip = false;  // of each layer; a copy of them lies in `scratch` until it is written
  HeldLayers held;    // left out
  std::string scratch = "/var/tmp";
  std::string scratch_hint;  // what could be done when no room is left there
  unsigned jobs = 1;
};

struct SaveOutput {
  ByteSink& stream;
  int file = -1;       // the new, empty file that `stream` writes to, if it is one: layers are then written all at once
  std::string name{};  // of that file, for messages
};

struct SaveResult {
  uint64_t layers = 0, left_out = 0;       // each counted once
  uint64_t bytes = 0, bytes_left_out = 0;  // of the layers' tars
  std::vector<std::string> hints;          // one line each, for people
};

// Reads only. Memory is bounded whatever the sizes. Errc::corrupt, naming image and layer, when a layer no longer gives
// its DiffID; what was written until then is of no use.
SaveResult save_images(std::span<const ChosenImage> images, const SaveOptions& options, LayerStore& layers,
                       MetadataStore& metadata, SaveOutput output, Progress& progress);

}  // namespace cairn
