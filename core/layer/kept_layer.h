// What a staged layer is, in words: for a later process, to go on with one that its maker did not live to publish.
#pragma once

#include <optional>
#include <string>

#include "core/layer/layer_store.h"

namespace cairn {

std::string describe(const StagedLayer& layer);

// All but the transaction and the target; nullopt for anything that describe() did not write.
std::optional<StagedLayer> read_description(const std::string& text);

}  // namespace cairn
