// A layer in the making, as the tar that a plugin is given.
#pragma once

#include "core/archive/stream.h"

namespace cairn::plugin {

// All of the directory `own`, which holds a layer's own entries with overlay's marks: the root, what is in it, and
// ".wh." entries for whiteouts and opaque directories; without a parent there is nothing that those could hide. Sockets
// are left out, as no tar can hold them.
enum class Marks { write, leave_out };
void write_stage(int own, Marks marks, ByteSink& out);

}  // namespace cairn::plugin
