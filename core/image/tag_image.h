// Gives images names, as docker tag does.
#pragma once

#include <string_view>

#include "core/image/reference.h"
#include "core/interfaces/metadata_store.h"
#include "core/layer/layer_store.h"

namespace cairn {

// A name for an image, with the tag "latest" if it has none. Errc::invalid for one with a digest: those say what a
// registry calls the image.
Reference parse_new_name(std::string_view text);

// `name` leads to `image` from now on, whatever it led to before; the image's note `lastUpdated` says when. Errc::
// not_found if the image is not in the store.
void tag_image(LayerStore& layers, MetadataStore& metadata, const ImageId& image, const Reference& name);

}  // namespace cairn
