// The trees of a source's layers, by what its metadata says lies on what: the driver's own records may be damaged, and
// each id is checked against hashes in the one and in nothing in the other.
#pragma once

#include <filesystem>
#include <optional>

#include "core/interfaces/driver.h"
#include "core/migrate/layer_tar.h"

namespace cairn {

class SourceTrees {
 public:
  SourceTrees(const Driver& driver, const std::filesystem::path& root)
      : driver_(driver), ids_(remapped_root(root).value_or(IdBase())) {}

  void add(const LayerId& id, const std::optional<LayerId>& parent) { parents_[id] = parent; }
  const LayerParents& parents() const noexcept { return parents_; }

  // Of a layer that was never added: by the driver's records. Throws as Driver::tree.
  Tree tree(const LayerId& id) const;
  // What the layer's tar is made from; or of one that would be `id` if it lay on `parent`, which was added.
  LayerFiles files(const LayerId& id) const;
  LayerFiles files_on(const LayerId& id, const std::optional<LayerId>& parent) const;
  // Its own directory is there, whatever became of records and parents.
  bool has(const LayerId& id) const;

 private:
  const Driver& driver_;
  IdBase ids_;
  LayerParents parents_;
};

}  // namespace cairn
