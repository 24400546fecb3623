// Layers of a content-addressed root, those included whose entry in layerdb is damaged or gone. What is put in an
// entry's place is accepted on the word of a hash: diff and parent by the ChainID, a directory by the DiffID of the tar
// that its tree gives.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "core/migrate/migrate.h"
#include "core/migrate/source_trees.h"

namespace cairn {

class Salvage {
 public:
  Salvage(const ContentSource& source, SourceTrees& trees);

  // What the image configurations that are whole say of chains. All of it before the first need().
  void learn(const std::vector<DiffId>& diffs);
  // The layer and those below it that were not asked for before, parents first; the trees know them from now on. A size
  // that is lost is -1. Throws corrupt where one of them cannot be had, again for whoever asks again.
  std::vector<LayerRecord> need(const ChainId& chain);
  const LayerRecord* find(const ChainId& chain) const;  // one that was needed
  // Everything damaged in layerdb, with what became of it.
  std::vector<Damage> damage() const;
  // Directories of the driver, named as engines name them, that no entry refers to and none got.
  std::vector<LayerId> orphans() const;

 private:
  struct Identity {
    DiffId diff;
    std::optional<ChainId> parent;
  };
  void claim_by_damaged();
  void claim(const std::optional<LayerId>& id);
  LayerRemains remains_of(const ChainId& chain) const;
  Identity identify(const ChainId& chain);
  LayerRecord rebuild(const ChainId& chain, const Identity& identity);
  LayerId find_directory(const ChainId& chain, const Identity& identity, const std::optional<LayerId>& own);
  std::vector<LayerId> unclaimed() const;
  std::optional<LayerId> search(const ChainId& chain, const Identity& identity) const;
  LayerFiles files_on(const LayerId& id, const Identity& identity) const;
  bool gives(const LayerId& id, const ChainId& chain, const Identity& identity) const;
  bool may_have(const LayerId& id, const std::set<std::string>& names) const;
  bool recorded_tar_fits(const ChainId& chain, const DiffId& diff, const LayerFiles& files) const;

  const ContentSource& source_;
  SourceTrees& trees_;
  const std::vector<LayerId> directories_;  // of the driver
  std::vector<Damage> damage_;
  std::map<ChainId, LayerRecord> entries_;  // whole ones
  std::map<ChainId, Identity> identities_;  // proven by their hash
  std::map<ChainId, LayerRecord> built_;
  std::set<ChainId> needed_;                 // of those
  std::map<ChainId, std::string> lost_;      // why
  std::map<ChainId, std::string> repaired_;  // how
  std::map<LayerId, size_t> claims_;         // how many entries name a directory
  std::set<LayerId> taken_;                  // by what was built
};

}  // namespace cairn
