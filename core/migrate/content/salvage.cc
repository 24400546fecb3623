#include "core/migrate/content/salvage.h"

#include <algorithm>

#include "core/migrate/layer_tar.h"
#include "core/migrate/left_over.h"
#include "core/util/error.h"

namespace cairn {

Salvage::Salvage(const ContentSource& source, SourceTrees& trees)
    : source_(source), trees_(trees), directories_(source.driver.list()) {
  LayerMetadata& layers = source.metadata.layers();
  for (auto& record : layers.list(&damage_)) {
    identities_.emplace(record.chain, Identity{record.diff, record.parent});
    entries_.emplace(record.chain, std::move(record));
  }
  for (const auto& [chain, record] : entries_)
    if (chain_id(record.parent, record.diff) != chain) {
      damage_.push_back({"layer-chain-mismatch", chain.str(), "its 'diff' and 'parent' belong to another chain"});
      identities_.erase(chain);
    }
  std::erase_if(entries_, [&](const auto& entry) { return !identities_.contains(entry.first); });
  for (const auto& [chain, record] : entries_) ++claims_[record.cache_id];
  claim_by_damaged();
  for (const auto& mount : layers.mounts()) {
    claim(mount.mount_id);
    claim(mount.init_id);
  }
}

// What is left of a damaged entry still says whose a directory is.
void Salvage::claim_by_damaged() {
  LayerMetadata& layers = source_.metadata.layers();
  std::set<ChainId> chains;
  std::vector<Damage> of_mounts;
  for (const auto& one : damage_)
    if (const auto chain = ChainId::parse(one.object)) chains.insert(*chain);
  const auto unless_disk_fails = [](const auto& read) {  // whoever needs the entry is told of it
    try {
      read();
    } catch (const Error& e) {
      if (e.code() != Errc::io) throw;
    }
  };
  for (const auto& chain : chains) unless_disk_fails([&] { claim(layers.remains(chain).cache_id); });
  layers.mounts(&of_mounts);
  for (const auto& one : of_mounts)
    unless_disk_fails([&] {
      const MountRemains left = layers.mount_remains(one.object);
      claim(left.mount_id);
      claim(left.init_id);
    });
}

void Salvage::claim(const std::optional<LayerId>& id) {
  if (id) ++claims_[*id];
}

void Salvage::learn(const std::vector<DiffId>& diffs) {
  std::optional<ChainId> below;
  for (const auto& diff : diffs) {
    const ChainId chain = chain_id(below, diff);
    identities_.insert_or_assign(chain, Identity{diff, below});
    below = chain;
  }
}

LayerRemains Salvage::remains_of(const ChainId& chain) const {
  const auto entry = entries_.find(chain);
  if (entry == entries_.end()) return source_.metadata.layers().remains(chain);
  const LayerRecord& record = entry->second;
  return {record.diff, record.parent, record.cache_id, record.size};
}

// Without a configuration: by the entry's own words, as far as the chain's hash bears them out.
Salvage::Identity Salvage::identify(const ChainId& chain) {
  if (const auto known = identities_.find(chain); known != identities_.end()) return known->second;
  const LayerRemains left = remains_of(chain);
  std::optional<Identity> found;
  if (left.diff) {
    if (chain_id(left.parent, *left.diff) == chain) found = Identity{*left.diff, left.parent};
    if (chain_id(std::nullopt, *left.diff) == chain) found = Identity{*left.diff, std::nullopt};
    for (auto at = identities_.begin(); !found && at != identities_.end(); ++at)
      if (chain_id(at->first, *left.diff) == chain) found = Identity{*left.diff, at->first};
  }
  if (!found)
    throw Error(Errc::corrupt, "its layer " + chain.str() + " is not in the layer database, or is damaged there, and " +
                                   "no image's configuration tells what it is");
  return identities_.emplace(chain, *found).first->second;
}

std::vector<LayerRecord> Salvage::need(const ChainId& chain) {
  std::vector<ChainId> line;
  for (std::optional<ChainId> at = chain; at && !needed_.contains(*at); at = identify(*at).parent) line.push_back(*at);
  std::reverse(line.begin(), line.end());
  std::vector<LayerRecord> out;
  for (const auto& at : line) {
    if (const auto lost = lost_.find(at); lost != lost_.end()) throw Error(Errc::corrupt, lost->second);
    auto built = built_.find(at);
    if (built == built_.end()) built = built_.emplace(at, rebuild(at, identify(at))).first;
    const LayerRecord& record = built->second;
    taken_.insert(record.cache_id);
    trees_.add(record.cache_id, record.parent ? std::optional(built_.at(*record.parent).cache_id) : std::nullopt);
    out.push_back(record);
  }
  needed_.insert(line.begin(), line.end());
  return out;
}

const LayerRecord* Salvage::find(const ChainId& chain) const {
  const auto found = built_.find(chain);
  return found == built_.end() ? nullptr : &found->second;
}

LayerRecord Salvage::rebuild(const ChainId& chain, const Identity& identity) {
  const LayerRemains left = remains_of(chain);
  std::string members;
  const auto restored = [&](const std::string& what) { members += (members.empty() ? "" : ", ") + what; };
  if (left.diff != identity.diff) restored("'diff' by the hash of its chain");
  if (left.parent != identity.parent) restored("'parent' by the hash of its chain");
  LayerRecord record{chain, identity.diff, identity.parent, find_directory(chain, identity, left.cache_id),
                     left.size.value_or(-1)};
  if (left.cache_id != record.cache_id) restored("'cache-id' by the hash of its content");
  if (!left.size) restored("'size' measured anew");
  if (!members.empty()) repaired_.emplace(chain, "rebuilt: " + members + "; nothing is lost");
  return record;
}

LayerId Salvage::find_directory(const ChainId& chain, const Identity& identity, const std::optional<LayerId>& own) {
  const bool there = own && trees_.has(*own);
  if (there && (claims_[*own] <= 1 || gives(*own, chain, identity))) return *own;
  if (own && there)
    damage_.push_back({"layer-cache-id-duplicate", chain.str(), "its 'cache-id' names the directory of another layer"});
  const auto found = search(chain, identity);
  if (own && !there)
    damage_.push_back({"driver-layer-missing", own->str(), "layer " + chain.str() + " has lost its directory",
                       found ? "another directory has its content; nothing is lost" : ""});
  if (found) {
    ++claims_[*found];
    return *found;
  }
  const std::string why = "its layer " + chain.str() + " is lost: " +
                          (own ? "its directory " + own->str() + (there ? " is another layer's" : " is missing")
                               : "what names its directory is damaged") +
                          ", and no directory that is left over has its content";
  lost_.emplace(chain, why);
  throw Error(Errc::corrupt, why);
}

static std::optional<std::set<std::string>> recorded_names(const LayerMetadata& layers, const ChainId& chain) {
  try {
    return content_of_tar_split(*layers.open_tar_split(chain)).names;
  } catch (const Error& e) {
    if (tells_nothing(e)) throw;
    return std::nullopt;
  }
}

// Among directories that nothing refers to, and then, as far as the recorded tar tells, those that a damaged entry may
// name by mistake.
std::optional<LayerId> Salvage::search(const ChainId& chain, const Identity& identity) const {
  const auto left_over = unclaimed();
  const auto found =
      std::find_if(left_over.begin(), left_over.end(), [&](const LayerId& id) { return gives(id, chain, identity); });
  if (found != left_over.end()) return *found;
  const auto names = recorded_names(source_.metadata.layers(), chain);
  if (!names) return std::nullopt;
  for (const auto& id : directories_)
    if (claims_.contains(id) && !taken_.contains(id) && may_have(id, *names) &&
        recorded_tar_fits(chain, identity.diff, files_on(id, identity)))
      return id;
  return std::nullopt;
}

// There may be many thousands to be asked, of which one at most is the layer's: a look at its own directory tells most.
bool Salvage::may_have(const LayerId& id, const std::set<std::string>& names) const {
  try {
    return tree_has_some_of(names, source_.driver.tree_over(id, {}));
  } catch (const Error& e) {
    if (tells_nothing(e)) throw;
    return false;
  }
}

bool Salvage::recorded_tar_fits(const ChainId& chain, const DiffId& diff, const LayerFiles& files) const {
  LayerMetadata& layers = source_.metadata.layers();
  try {
    if (recorded_tar(*layers.open_tar_split(chain), files.tree, until_interrupted()).diff != diff) return false;
    return tree_has_just(content_of_tar_split(*layers.open_tar_split(chain)).names, files.tree, files.parent);
  } catch (const Error& e) {
    if (tells_nothing(e)) throw;
    return false;
  }
}

bool Salvage::gives(const LayerId& id, const ChainId& chain, const Identity& identity) const {
  try {
    const LayerFiles files = files_on(id, identity);
    return recorded_tar_fits(chain, identity.diff, files) || find_form(files, identity.diff, until_interrupted()).fits;
  } catch (const Error& e) {
    if (tells_nothing(e)) throw;
    return false;
  }
}

LayerFiles Salvage::files_on(const LayerId& id, const Identity& identity) const {
  std::optional<LayerId> parent;
  if (identity.parent) parent = built_.at(*identity.parent).cache_id;
  return trees_.files_on(id, parent);
}

std::vector<Damage> Salvage::damage() const {
  std::vector<Damage> out;
  for (Damage one : damage_) {
    const auto chain = ChainId::parse(one.object);
    const auto repaired = chain ? repaired_.find(*chain) : repaired_.end();
    if (repaired != repaired_.end())
      one.repair = repaired->second;
    else if (chain)
      one.repair = built_.contains(*chain)  ? "its own entry is whole; nothing is lost"
                   : lost_.contains(*chain) ? "none: the images on it are lost"
                                            : "left out: no image that is whole needs it";
    out.push_back(std::move(one));
  }
  return out;
}

std::vector<LayerId> Salvage::unclaimed() const {
  std::vector<LayerId> out;
  for (const auto& id : directories_)
    if (!claims_.contains(id) && trees_.has(id)) out.push_back(id);
  return out;
}

std::vector<LayerId> Salvage::orphans() const {
  auto out = source_.driver.list();
  std::erase_if(out, [&](const LayerId& id) {
    return claims_.contains(id) || !may_be_left_over(id) || !(trees_.has(id) || is_unfinished(id));
  });
  return out;
}

}  // namespace cairn
