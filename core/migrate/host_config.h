#pragma once

#include <optional>
#include <string>
#include <vector>

namespace cairn {

// hostconfig.json with what engines from 26 on insist on (NetworkMode, LogConfig) where it is missing, and Links where
// the names database had them. Unchanged bytes where nothing is missing.
std::string complete_host_config(const std::optional<std::string>& host_config, const std::vector<std::string>& links);

}  // namespace cairn
