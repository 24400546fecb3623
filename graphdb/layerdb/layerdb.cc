#include "graphdb/layerdb/layerdb.h"

#include <map>

#include "core/archive/compression.h"
#include "core/util/error.h"
#include "graphdb/layerdb/record.h"
#include "graphdb/layerdb/transaction.h"
#include "graphdb/util/files.h"

namespace cairn {

static void note(std::vector<Damage>* damage, std::string kind, std::string object, std::string detail) {
  if (damage != nullptr) damage->push_back({std::move(kind), std::move(object), std::move(detail)});
}

static std::map<ChainId, LayerRecord> read_layers(int sha256_fd, std::vector<Damage>* damage) {
  std::map<ChainId, LayerRecord> found;
  for (const auto& name : list_dir(sha256_fd)) {
    const auto digest = Digest::from_hex(name);
    if (!digest) continue;
    try {
      if (auto record = read_layer(sha256_fd, ChainId(*digest))) found.emplace(record->chain, std::move(*record));
    } catch (const BadRecord& e) {
      note(damage, e.kind(), digest->str(), e.what());
    } catch (const Error& e) {  // a failing disk: whoever is told of damage gets to see the rest
      if (damage == nullptr || e.code() != Errc::io) throw;
      note(damage, "layer-unreadable", digest->str(), e.what());
    }
  }
  return found;
}

namespace {

// Drops records whose parents end in nothing or in themselves, as an engine does.
class ChainCheck {
 public:
  ChainCheck(const std::map<ChainId, LayerRecord>& found, std::vector<Damage>* damage)
      : found_(found), damage_(damage) {}

  std::vector<LayerRecord> whole() {
    std::vector<LayerRecord> out;
    for (const auto& [chain, record] : found_)
      if (check(chain)) out.push_back(record);
    return out;
  }

 private:
  enum class State { on_path, whole, broken };

  bool check(const ChainId& chain) {
    std::vector<ChainId> path;
    const State end = follow(chain, path);
    for (auto it = path.rbegin(); it != path.rend(); ++it) {
      states_[*it] = end == State::whole ? State::whole : State::broken;
      if (end != State::whole) complain(*it, end == State::on_path);
    }
    return states_.at(chain) == State::whole;
  }

  // The layer and its parents up to one that was checked before; what is known of that one, or of the end.
  State follow(const ChainId& chain, std::vector<ChainId>& path) {
    for (std::optional<ChainId> at = chain; at;) {
      if (const auto known = states_.find(*at); known != states_.end()) return known->second;
      const auto record = found_.find(*at);
      if (record == found_.end()) return State::broken;
      states_.emplace(*at, State::on_path);
      path.push_back(*at);
      at = record->second.parent;
    }
    return State::whole;
  }

  void complain(const ChainId& chain, bool cycle) {
    const ChainId parent = *found_.at(chain).parent;
    const std::string name = "its parent " + parent.str();
    if (cycle)
      note(damage_, "layer-parent-cycle", chain.str(), name + " leads back to it");
    else if (!found_.contains(parent))
      note(damage_, "layer-parent-missing", chain.str(), name + " is not there or cannot be loaded");
    else
      note(damage_, "layer-parent-damaged", chain.str(), name + " cannot be loaded");
  }

  const std::map<ChainId, LayerRecord>& found_;
  std::vector<Damage>* damage_;
  std::map<ChainId, State> states_;
};

}  // namespace

std::vector<LayerRecord> LayerDb::list(std::vector<Damage>* damage) const {
  const auto sha256 = place_.try_dir(place_.image("layerdb/sha256"));
  if (!sha256) return {};
  const auto found = read_layers(sha256->get(), damage);
  return ChainCheck(found, damage).whole();
}

std::optional<LayerRecord> LayerDb::find(const ChainId& chain) const {
  const auto sha256 = place_.try_dir(place_.image("layerdb/sha256"));
  return sha256 ? read_layer(sha256->get(), chain) : std::nullopt;
}

LayerRemains LayerDb::remains(const ChainId& chain) const {
  const auto sha256 = place_.try_dir(place_.image("layerdb/sha256"));
  return sha256 ? read_remains(sha256->get(), chain) : LayerRemains();
}

std::unique_ptr<ByteSource> LayerDb::open_raw_tar_split(const ChainId& chain) const {
  return while_doing([&] { return "opening the tar-split record of layer '" + chain.str() + "'"; },
                     [&] {
                       const Fd dir = place_.dir(place_.image("layerdb/sha256/" + chain.hex()));
                       return read_from(open_regular_at(dir.get(), "tar-split.json.gz"));
                     });
}

std::unique_ptr<ByteSource> LayerDb::open_tar_split(const ChainId& chain) const {
  return while_doing([&] { return "reading the tar-split record of layer '" + chain.str() + "'"; },
                     [&] { return decompress(open_raw_tar_split(chain)); });
}

std::optional<LayerMetadata::Claim> LayerDb::claim(const ChainId& chain) {
  auto set = WriteSet::claim(place_.layerdb_fd(), chain);
  if (!set) return std::nullopt;
  Claim out{nullptr, set->driver_ids(), set->kept()};
  out.transaction = std::make_unique<DiskTransaction>(place_.layerdb_fd(), std::move(*set));
  return out;
}

std::unique_ptr<LayerTransaction> LayerDb::begin(const std::vector<LayerId>& driver_ids) {
  return std::make_unique<DiskTransaction>(place_.layerdb_fd(), driver_ids);
}

constexpr std::string_view kRemoving = "-removing";

void LayerDb::remove(const ChainId& chain) {
  const Fd sha256 = place_.dir(place_.image("layerdb/sha256"));
  const std::string removing = chain.hex() + "-" + random_hex(32) + std::string(kRemoving);
  rename_at(sha256.get(), chain.hex(), sha256.get(), removing, "layerdb/sha256/" + chain.hex());
  fsync_fd(sha256.get(), "layerdb/sha256");
}

std::vector<MountRecord> LayerDb::mounts(std::vector<Damage>* damage) const {
  std::vector<MountRecord> out;
  const auto dir = place_.try_dir(place_.image("layerdb/mounts"));
  if (!dir) return out;
  for (const auto& name : list_dir(dir->get())) {
    if (name.ends_with("-removing")) continue;  // it is no container's any more
    if (!valid_name(name)) {
      note(damage, "mount-name-invalid", printable(name), "no engine gives a writable layer such a name");
      continue;
    }
    try {
      if (auto record = read_mount(dir->get(), name)) out.push_back(std::move(*record));
    } catch (const BadRecord& e) {
      note(damage, "mount-invalid", name, e.what());
    }
  }
  return out;
}

std::optional<MountRecord> LayerDb::find_mount(const std::string& name) const {
  const auto dir = place_.try_dir(place_.image("layerdb/mounts"));
  return dir ? read_mount(dir->get(), name) : std::nullopt;
}

MountRemains LayerDb::mount_remains(const std::string& name) const {
  const auto dir = place_.try_dir(place_.image("layerdb/mounts"));
  return dir ? read_mount_remains(dir->get(), name) : MountRemains();
}

void LayerDb::add_mount(const MountRecord& record) {
  if (!valid_name(record.name))
    throw Error(Errc::invalid, "adding the writable layer '" + printable(record.name) +
                                   "': a name is made of letters, digits, '_', '.' and '-'");
  const WriteSet set(place_.layerdb_fd(), {});
  mkdir_at(set.fd(), "mount", 0755);
  const Fd made = open_dir_at(set.fd(), "mount");
  write_mount(made.get(), record);
  for (const auto& file : list_dir(made.get())) fsync_fd(open_regular_at(made.get(), file).get(), file);
  fsync_fd(made.get(), "layerdb/tmp");
  const Fd mounts = open_dir_at(place_.layerdb_fd(), "mounts");
  if (exists_at(mounts.get(), record.name))
    throw Error(Errc::already_exists, "adding the writable layer '" + record.name + "': one of that name is there");
  rename_at(set.fd(), "mount", mounts.get(), record.name, "layerdb/mounts/" + record.name);
  fsync_fd(mounts.get(), "layerdb/mounts");
}

void LayerDb::remove_mount(const std::string& name) {
  const Fd mounts = open_dir_at(place_.layerdb_fd(), "mounts");
  if (!valid_name(name) || !exists_at(mounts.get(), name))
    throw Error(Errc::not_found, "removing the writable layer '" + printable(name) + "': there is none of that name");
  const WriteSet set(place_.layerdb_fd(), {});
  rename_at(mounts.get(), name, set.fd(), "mount", "layerdb/mounts/" + name);
  fsync_fd(mounts.get(), "layerdb/mounts");
}

// "<64 hex>-<64 hex>-removing", as engines since 20.10 and remove() above name them.
static bool is_removing(std::string_view name) {
  return name.size() == 64 + 1 + 64 + kRemoving.size() && is_hex64(name.substr(0, 64)) && name[64] == '-' &&
         is_hex64(name.substr(65, 64)) && name.ends_with(kRemoving);
}

std::vector<LayerMetadata::Abandoned> LayerDb::abandoned() const {
  std::vector<Abandoned> out;
  const auto layerdb = place_.try_dir(place_.image("layerdb"));
  if (!layerdb) return out;
  for (auto& trace : WriteSet::abandoned(layerdb->get()))
    out.push_back({trace.name, std::move(trace.driver_ids), std::move(trace.held)});
  const auto sha256 = try_open_dir(layerdb->get(), "sha256");
  if (!sha256) return out;
  for (const auto& name : list_dir(sha256->get())) {
    if (!is_removing(name)) continue;
    Abandoned trace{"sha256/" + name, {}, {}};
    if (const auto id = read_cache_id(sha256->get(), name)) trace.driver_ids.push_back(*id);
    out.push_back(std::move(trace));
  }
  return out;
}

void LayerDb::forget(const Abandoned& trace) {
  const size_t slash = trace.trace.find('/');
  const std::string folder = trace.trace.substr(0, slash);
  const std::string name = slash == std::string::npos ? "" : trace.trace.substr(slash + 1);
  const bool write_set = folder == "tmp" && name.starts_with(WriteSet::kPrefix) && valid_name(name);
  if (!write_set && !(folder == "sha256" && is_removing(name)))
    throw Error(Errc::invalid, "forgetting '" + printable(trace.trace) + "': that is no trace of unfinished work");
  const Fd dir = open_dir_at(place_.layerdb_fd(), folder);
  remove_tree_at(dir.get(), name);
}

}  // namespace cairn
