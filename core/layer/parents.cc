#include "core/layer/parents.h"

namespace cairn {

std::vector<LayerId> ancestors_in(const LayerParents& parents, const LayerId& id) {
  std::vector<LayerId> out;
  for (auto at = parents.find(id); at != parents.end() && at->second && out.size() < parents.size();
       at = parents.find(*at->second))
    out.push_back(*at->second);
  return out;
}

}  // namespace cairn
