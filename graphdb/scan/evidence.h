// Which engines worked on a root, told from what only they write.
#pragma once

#include <string>
#include <vector>

namespace cairn {

struct Evidence {
  std::string engine;  // "1.8 to 1.9", "23.0 or later"; "" when nothing tells
  std::vector<std::string> clues;
};

// `graph_only`: there is a graph and no content-addressed layout, so no engine after 1.9 worked on it.
Evidence find_evidence(int root_fd, bool graph_only);

}  // namespace cairn
