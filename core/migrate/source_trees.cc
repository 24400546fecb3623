#include "core/migrate/source_trees.h"

#include "core/layer/parents.h"
#include "core/util/error.h"

namespace cairn {

Tree SourceTrees::tree(const LayerId& id) const {
  return parents_.contains(id) ? driver_.tree_over(id, ancestors_in(parents_, id)) : driver_.tree(id);
}

LayerFiles SourceTrees::files(const LayerId& id) const {
  const auto known = parents_.find(id);
  return files_on(id, known == parents_.end() ? std::nullopt : known->second);
}

LayerFiles SourceTrees::files_on(const LayerId& id, const std::optional<LayerId>& parent) const {
  std::vector<LayerId> ancestors;
  if (parent) {
    ancestors = ancestors_in(parents_, *parent);
    ancestors.insert(ancestors.begin(), *parent);
  }
  return {driver_.tree_over(id, ancestors), parent ? tree(*parent) : Tree(), driver_.own_files(id), ids_};
}

bool SourceTrees::has(const LayerId& id) const {
  try {
    if (driver_.layers_stand_alone()) return driver_.exists(id);
    driver_.tree_over(id, {});
    return true;
  } catch (const Error& e) {
    if (e.code() != Errc::not_found && e.code() != Errc::corrupt && e.code() != Errc::invalid) throw;
    return false;
  }
}

}  // namespace cairn
