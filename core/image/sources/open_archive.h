// Finds out how an archive is packed.
#pragma once

#include <memory>

#include "core/image/load.h"
#include "core/image/sources/archive.h"

namespace cairn {

// nullptr, and `input` is as it was, if it can only be read from its beginning to its end.
std::unique_ptr<Archive> open_random_archive(LoadInput& input, LayerStore& layers);

}  // namespace cairn
