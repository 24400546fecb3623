// linkgraph.db: names and links of containers, kept in SQLite by 0.6.5 to 1.9 (formats: legacy-graph, 8).
#pragma once

#include <map>
#include <string>
#include <vector>

namespace cairn {

struct LinkGraph {
  struct Link {
    std::string child;  // container id
    std::string alias;
  };
  std::map<std::string, std::vector<std::string>> names;  // container id -> names without '/', sorted
  std::map<std::string, std::vector<Link>> links;         // parent container id -> its links, by alias
};

// An empty graph where there is no file. Read without locks, journal or any other write. Errc::corrupt for what SQLite
// refuses and for a file made to waste time or memory.
LinkGraph read_link_graph(int root_fd);

}  // namespace cairn
