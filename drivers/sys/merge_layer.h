// For drivers whose layers hold their whole tree.
#pragma once

namespace cairn {

// Puts the layer in `own_root` (its own entries, with overlay's whiteouts and opaque marks) over the parent's tree in
// `whole_root`, which becomes the layer's whole tree. Both are directories; files are copied, with reflinks where that
// works. `own_root` is left as it was.
void merge_layer(int own_root, int whole_root);

}  // namespace cairn
