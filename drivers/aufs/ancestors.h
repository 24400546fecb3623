// The files layers/ID: which layers lie below ID, nearest first, one id a line; empty for a base layer.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "core/interfaces/driver.h"
#include "core/util/ids.h"

namespace cairn::aufs {

inline constexpr size_t kMaxParents = 128;  // the kernel joins 127 branches, the engine's layer store stops at 125

std::string ancestors_text(const std::vector<LayerId>& ancestors);

// Pure. Throws corrupt when `text` is anything but such a list, or names `id` itself or a layer twice.
std::vector<LayerId> parse_ancestors(const LayerId& id, const std::string& text);

// Of a layer of `home`. Throws not_found, or corrupt naming the damaged file: also when it disagrees with the parent's
// or, being empty, with what the layers above say. A list cut short would show other content without any error.
std::vector<LayerId> ancestors_of(int home, const LayerId& id);

// What is wrong with layers/ID where `parents` tell what lies below. A layer that metadata does not know may stand in
// another's place: of two with equal content Docker 1.10's own migration named one.
std::optional<Damage> examine_ancestors(int home, const LayerId& id, const LayerParents& parents);

// Some layer lies on `id`.
bool has_children(int home, const LayerId& id);

}  // namespace cairn::aufs
