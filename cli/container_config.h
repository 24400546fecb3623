#pragma once

#include <optional>
#include <string>

#include "cli/store.h"

namespace cairn {

// The engine's configuration of a container, exact bytes; none for what `cairn create` made.
std::optional<std::string> container_config(const Store& store, const std::string& id);

}  // namespace cairn
