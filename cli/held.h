// What --have of `save` names.
#pragma once

#include <string>

#include "cli/globals.h"
#include "core/image/save/held_layers.h"

namespace cairn {

// `path`: an image archive, file or directory; a data root; or a text, see HeldLayers::add_text. `layers` is there
// to read with. UserError if it is none of these, or says of no layer that it is there.
void add_held(const std::string& path, const Globals& globals, LayerStore& layers, HeldLayers& into);

}  // namespace cairn
