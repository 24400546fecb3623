#pragma once

#include <string>
#include <vector>

namespace cairn {

// Drivers of 0.7 to 1.9 whose layers can be seen as files.
const std::vector<std::string>& visible_legacy_drivers();

// 64-hex names in graph/ and containers/ of a root.
std::vector<std::string> graph_ids(int root_fd);
std::vector<std::string> container_ids(int root_fd);

}  // namespace cairn
