// Opens roots. wiring.cc is the one file of the program that names implementations.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "cli/globals.h"
#include "cli/store.h"
#include "core/layer/layer_store.h"

namespace cairn {

// A store to look at; nothing is made or changed. UserError if there is no such root, or several drivers and none named.
Store open_to_read(const Globals& globals);

// A store to write: no engine holds it, it is of the content-addressed layout (made if the root is empty), and what crashed
// processes left is cleared. Says at once if this is not root.
enum class IfAbsent { make, refuse };
Store open_to_write(const Globals& globals, Progress& progress, IfAbsent if_absent);

LayerStore layers_of(const Store& store, const Globals& globals, Progress& progress);

}  // namespace cairn
