#include "core/migrate/root_state.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "core/migrate/copy_directory.h"
#include "core/util/error.h"
#include "core/util/interrupt.h"
#include "core/util/replace_file.h"

namespace cairn {

static constexpr const char* kVolume = "volume";

static bool is_volume_name(const std::string& name) {
  return LayerId::valid(name) && name != "metadata.db" && name != "_tmp" && name != "backingFsBlockDev";
}

static bool is_dir_at(int fd, const std::string& path) {
  const auto st = stat_at(fd, path);
  return st && S_ISDIR(st->st_mode);
}

std::set<std::string> volumes_of(const std::filesystem::path& path) {
  const Fd root = open_dir(path.string());
  const auto volumes = try_open_at(root.get(), "volumes", O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  std::set<std::string> out;
  if (!volumes) return out;
  for (const auto& name : list_dir(volumes->get()))
    if (is_volume_name(name) &&
        (is_dir_at(volumes->get(), name + "/_data") || is_dir_at(root.get(), "vfs/dir/" + name)))
      out.insert(name);
  return out;
}

namespace {

enum class Fate { carried, left, not_state };
struct Known {
  const char* name;
  Fate fate;
  const char* why;  // of what is left
};
constexpr Known kKnown[] = {
    {"network", Fate::carried, ""},
    {"plugins", Fate::carried, ""},
    {"swarm", Fate::carried, ""},
    {"trust", Fate::carried, ""},
    {"engine-id", Fate::carried, ""},
    {"buildkit", Fate::left, "the build cache names layers of the old driver; builds fill a new one"},
    {"builder", Fate::left, "the build cache names layers of the old driver; builds fill a new one"},
    {"containerd", Fate::left, "the engine's containerd makes it anew"},
    {"containers", Fate::not_state, ""},
    {"graph", Fate::not_state, ""},
    {"image", Fate::not_state, ""},
    {"volumes", Fate::not_state, ""},
    {"linkgraph.db", Fate::not_state, ""},
    {"lost+found", Fate::not_state, ""},
    {"runtimes", Fate::not_state, ""},
    {"tmp", Fate::not_state, ""},
    {"init", Fate::not_state, ""},
    {"execdriver", Fate::not_state, ""},
    {"aufs", Fate::not_state, ""},
    {"btrfs", Fate::not_state, ""},
    {"devicemapper", Fate::not_state, ""},
    {"overlay", Fate::not_state, ""},
    {"overlay2", Fate::not_state, ""},
    {"vfs", Fate::not_state, ""},
    {"zfs", Fate::not_state, ""},
};

const Known* known(const std::string& name) {
  const auto* found =
      std::find_if(std::begin(kKnown), std::end(kKnown), [&](const Known& one) { return name == one.name; });
  return found == std::end(kKnown) ? nullptr : found;
}

bool is_of_graph(const std::string& name) {
  return name.starts_with("repositories-") || name.starts_with(".migration-v1") || name.starts_with(".cairn-");
}

// Content and attributes of a regular file, complete or absent.
uint64_t copy_state_file(int from_fd, int to_fd, const std::string& name) {
  const auto text = try_read_file_at(from_fd, name, 1u << 30);
  const auto st = stat_at(from_fd, name);
  if (!text || !st) return 0;
  replace_file_at(to_fd, name, *text, st->st_mode & 07777);
  return text->size();
}

uint64_t carry_volume(int from_root, int to_root, const std::string& name) {
  ensure_dir_at(to_root, "volumes", 0701);
  const Fd to = open_dir_at(to_root, "volumes");
  const Fd volumes = open_dir_at(from_root, "volumes");
  if (is_dir_at(volumes.get(), name + "/_data"))
    return copy_directory(open_dir_at(volumes.get(), name), to.get(), name);
  const Fd vfs = open_dir_at(open_dir_at(from_root, "vfs").get(), "dir");  // before 1.7
  return copy_directory(open_dir_at(vfs.get(), name), to.get(), name, "_data");
}

uint64_t carry_one(const MigratedState& item, int from_root, int to_root) {
  if (item.kind == kVolume) return carry_volume(from_root, to_root, item.name);
  if (item.name == "volumes/metadata.db") {
    ensure_dir_at(to_root, "volumes", 0701);
    return copy_state_file(open_dir_at(from_root, "volumes").get(), open_dir_at(to_root, "volumes").get(),
                           "metadata.db");
  }
  const auto st = stat_at(from_root, item.name);
  if (st && S_ISREG(st->st_mode)) return copy_state_file(from_root, to_root, item.name);
  return copy_directory(open_dir_at(from_root, item.name), to_root, item.name);
}

std::string place_of(const MigratedState& item) { return item.kind == kVolume ? "volumes/" + item.name : item.name; }

}  // namespace

bool has_old_volumes(const std::filesystem::path& path) {
  const Fd root = open_dir(path.string());
  const auto names = volumes_of(path);
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return !is_dir_at(root.get(), "volumes/" + name + "/_data"); });
}

std::vector<MigratedState> find_root_state(const std::filesystem::path& source, const MigrateOptions& options) {
  std::vector<MigratedState> out;
  if (!options.containers || options.state == MigrateOptions::State::stays) return out;
  const Fd root = open_dir(source.string());
  for (const auto& name : volumes_of(source)) out.push_back({kVolume, name, "planned", ""});
  if (exists_at(root.get(), "volumes/metadata.db")) out.push_back({"volumes", "volumes/metadata.db", "planned", ""});
  if (options.state == MigrateOptions::State::volumes_carried) return out;
  for (const auto& name : list_dir(root.get())) {
    const Known* of = known(name);
    if (is_of_graph(name) || (of && of->fate == Fate::not_state)) continue;
    if (!LayerId::valid(name))
      out.push_back({"other", name, "left", "no engine gives a file there such a name"});
    else if (of && of->fate == Fate::carried)
      out.push_back({"state", name, "planned", ""});
    else
      out.push_back({of ? "state" : "other", name, "left", of ? of->why : "cairn does not know what it is"});
  }
  return out;
}

uint64_t carry_root_state(std::vector<MigratedState>& state, const std::filesystem::path& source,
                          const std::filesystem::path& target, Progress& progress) {
  const Fd from = open_dir(source.string()), to = open_dir(target.string());
  uint64_t bytes = 0;
  for (auto& item : state) {
    if (item.status != "planned") continue;
    check_interrupt();
    const std::string label = item.kind + " " + item.name.substr(0, 24);
    try {
      if (exists_at(to.get(), place_of(item))) {
        item.status = "exists";
        continue;
      }
      progress.state(label, "copying");
      bytes += while_doing([&] { return "copying '" + printable(place_of(item)) + "'"; },
                           [&] { return carry_one(item, from.get(), to.get()); });
      item.status = "migrated";
    } catch (const Error& e) {
      if (e.code() == Errc::interrupted || e.code() == Errc::no_space) throw;
      item.status = "failed";
      item.error = e.what();
    }
    progress.state(label, item.status == "failed" ? "failed" : "copied");
  }
  return bytes;
}

}  // namespace cairn
