// A layer in the making, as the tar that a plugin is given.
#pragma once

#include "core/archive/stream.h"

namespace cairn::plugin {

// All of the directory `own`, which holds a layer's own entries with overlay's marks: the root, names, "/.wh." entries
// for whiteouts and opaque directories. Sockets are left out, as no tar can hold them.
void write_stage(int own, ByteSink& out);

}  // namespace cairn::plugin
