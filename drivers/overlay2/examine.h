#pragma once

#include <vector>

#include "core/interfaces/driver.h"
#include "drivers/overlay2/links.h"

namespace cairn::overlay2 {

// What is wrong with the files `link` and `lower` of the layers in `parents`, and with l/. Kinds:
// overlay2-link-{missing,empty,invalid,duplicate,dangling}, overlay2-lower-{missing,empty,invalid,mismatch}.
std::vector<Damage> examine_records(const LayerHome& home, const Links& links, const LayerParents& parents);

}  // namespace cairn::overlay2
