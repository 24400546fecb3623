#include "core/migrate/recheck.h"

#include <sys/stat.h>

#include <algorithm>
#include <map>
#include <memory>

#include "core/archive/changes.h"
#include "core/layer/store_lock.h"
#include "core/util/error.h"
#include "core/util/interrupt.h"

namespace cairn {

static bool same_tree(const Tree& one, const Tree& other) {
  return changes_between(one, other, {.rule = Compare::exact, .compare_content = false}).empty();
}

// `look` finds something damaged or gone: no, it is not whole.
template <typename Look>
static bool whole_if(Look&& look) {
  try {
    return look();
  } catch (const Error& e) {
    if (e.code() != Errc::corrupt && e.code() != Errc::not_found) throw;
    return false;
  }
}

static bool has_layer(const SourceTrees& source, const MigrationTarget& target, const LayerPlace& place) {
  return whole_if([&] {
    const auto record = target.metadata.layers().find(place.record.chain);
    if (!record || record->parent != place.record.parent) return false;
    if (place.tar_split) static_cast<void>(target.metadata.layers().open_raw_tar_split(place.record.chain));
    return same_tree(source.tree(place.record.cache_id), target.driver.tree(record->cache_id));
  });
}

static void drop(const std::vector<LayerRecord>& records, const MigrationTarget& target, LayerStore& layers) {
  {
    const FileLock lock = FileLock::wait(target.metadata.lock_fd(), FileLock::Kind::exclusive);
    if (target.guard) target.guard();
    for (auto record = records.rbegin(); record != records.rend(); ++record)
      target.metadata.layers().remove(record->chain);
  }
  layers.recover();  // ends removals: the driver's directories go with their records
}

std::set<ChainId> drop_incomplete(const SourceTrees& source, const MigrationTarget& target,
                                  const std::vector<LayerPlace>& places, LayerStore& layers) {
  std::map<ChainId, LayerRecord> there;
  for (auto& record : target.metadata.layers().list()) there.emplace(record.chain, std::move(record));
  std::set<ChainId> gone;
  std::vector<LayerRecord> records;
  for (const auto& place : places) {
    check_interrupt();
    const auto record = there.find(place.record.chain);
    if (record == there.end()) continue;
    const auto& parent = place.record.parent;
    if (!(parent && gone.contains(*parent)) && has_layer(source, target, place)) continue;
    gone.insert(place.record.chain);
    records.push_back(record->second);
  }
  if (!records.empty()) drop(records, target, layers);
  return gone;
}

bool has_container(const SourceTrees& source, const std::filesystem::path& source_root, const MigrationTarget& target,
                   const MountRecord& wanted) {
  return whole_if([&] {
    const auto mount = target.metadata.layers().find_mount(wanted.name);
    if (!mount || mount->mount_id != wanted.mount_id || mount->init_id != wanted.init_id ||
        mount->parent != wanted.parent)
      return false;
    for (const auto& id : {wanted.init_id, std::optional(wanted.mount_id)})
      if (id && !same_tree(source.tree(*id), target.driver.tree(*id))) return false;
    const Fd from = open_dir((source_root / "containers" / wanted.name).string());
    const Fd to = open_dir((target.root / "containers" / wanted.name).string());
    auto names = list_dir(from.get());
    names.insert(names.end(), {"config.v2.json", "hostconfig.json"});
    return std::all_of(names.begin(), names.end(), [&](const std::string& name) {
      const auto st = stat_at(from.get(), name);
      return (st && !S_ISREG(st->st_mode)) || exists_at(to.get(), name);
    });
  });
}

bool looks_same(Fd one, Fd other) {
  const auto tree_at = [](Fd& root) {
    return Tree({Branch{std::make_shared<const Fd>(std::move(root)), WhiteoutStyle::none}});
  };
  return same_tree(tree_at(one), tree_at(other));
}

}  // namespace cairn
