#include "core/migrate/left_over.h"

#include <fcntl.h>

#include "core/util/fd.h"
#include "core/util/ids.h"

namespace cairn {

static constexpr const char* kUnfinished = "an engine was in the middle of making or removing it";

MigratedState left_over_layer(const LayerId& id) {
  return {kLeftOverLayer, id.str(), "left", is_unfinished(id) ? kUnfinished : "no image and no container refers to it"};
}

bool is_unfinished(const LayerId& id) { return id.str().ends_with("-removing") || id.str() == "staging"; }

bool may_be_left_over(const LayerId& id) { return is_hex64(id.str().substr(0, 64)) || id.str() == "staging"; }

std::vector<MigratedState> left_over_in_graph(int root_fd) {
  std::vector<MigratedState> out;
  const auto graph = try_open_at(root_fd, "graph", O_RDONLY | O_DIRECTORY);
  if (!graph) return out;
  for (const auto& name : list_dir(graph->get())) {
    const auto st = stat_at(graph->get(), name);
    if (is_hex64(name) || !st || !S_ISDIR(st->st_mode)) continue;
    const bool by_design = name == "_tmp" && list_dir(open_dir_at(graph->get(), name).get()).empty();
    if (!by_design) out.push_back({"other", "graph/" + name, "left", kUnfinished});
  }
  return out;
}

}  // namespace cairn
