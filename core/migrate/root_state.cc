#include "core/migrate/root_state.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>

#include "core/migrate/copy_directory.h"
#include "core/migrate/ends_run.h"
#include "core/migrate/recheck.h"
#include "core/util/error.h"
#include "core/util/interrupt.h"
#include "core/util/remapped_root.h"
#include "core/util/replace_file.h"
#include "core/util/usage.h"
#include "core/util/workers.h"

namespace cairn {

static constexpr const char* kVolume = "volume";

static bool is_volume_name(const std::string& name) {
  return LayerId::valid(name) && name != "metadata.db" && name != "_tmp" && name != "backingFsBlockDev";
}

static bool is_dir_at(int fd, const std::string& path) {
  const auto st = stat_at(fd, path);
  return st && S_ISDIR(st->st_mode);
}

static bool is_empty_dir_at(int fd, const std::string& path) {
  return is_dir_at(fd, path) && list_dir(open_dir_at(fd, path).get()).empty();
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

enum class Fate { carried, left, scratch, not_state };  // scratch: left, where there is any
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
    {"tmp", Fate::scratch, "what engines were in the middle of"},
    {"_tmp", Fate::scratch, "what engines were in the middle of"},
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

std::string place_of(const MigratedState& item) { return item.kind == kVolume ? "volumes/" + item.name : item.name; }

struct VolumeData {
  Fd dir;
  std::string below;  // where in the new volume it belongs
};

VolumeData data_of(int from_root, const std::string& name) {
  const Fd volumes = open_dir_at(from_root, "volumes");
  if (is_dir_at(volumes.get(), name + "/_data")) return {open_dir_at(volumes.get(), name), ""};
  const Fd vfs = open_dir_at(open_dir_at(from_root, "vfs").get(), "dir");  // before 1.7
  return {open_dir_at(vfs.get(), name), "_data"};
}

uint64_t carry_volume(int from_root, int to_root, const std::string& name, Progress& progress) {
  ensure_dir_at(to_root, "volumes", 0701);
  const Fd to = open_dir_at(to_root, "volumes");
  remove_tree_at(to.get(), name);
  VolumeData data = data_of(from_root, name);
  return copy_directory(std::move(data.dir), to.get(), name, data.below, {}, &progress);
}

uint64_t carry_one(const MigratedState& item, int from_root, int to_root, Progress& progress) {
  if (item.kind == kVolume) return carry_volume(from_root, to_root, item.name, progress);
  if (item.name == "volumes/metadata.db") {
    ensure_dir_at(to_root, "volumes", 0701);
    return copy_state_file(open_dir_at(from_root, "volumes").get(), open_dir_at(to_root, "volumes").get(),
                           "metadata.db");
  }
  const auto st = stat_at(from_root, item.name);
  if (st && S_ISREG(st->st_mode)) return copy_state_file(from_root, to_root, item.name);
  remove_tree_at(to_root, item.name);
  return copy_directory(open_dir_at(from_root, item.name), to_root, item.name, "", {}, &progress);
}

// Of what an unfinished run copied.
bool is_whole(const MigratedState& item, int from_root, int to_root) {
  const std::string place = place_of(item);
  if (item.kind != kVolume && !is_dir_at(from_root, place)) return true;
  VolumeData data =
      item.kind == kVolume ? data_of(from_root, item.name) : VolumeData{open_dir_at(from_root, place), ""};
  const auto there = try_open_at(to_root, place + "/" + data.below, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
  return there && looks_same(dup_fd(there->get()), std::move(data.dir));
}

}  // namespace

bool has_old_volumes(const std::filesystem::path& path) {
  const Fd root = open_dir(path.string());
  const auto names = volumes_of(path);
  return std::any_of(names.begin(), names.end(),
                     [&](const std::string& name) { return !is_dir_at(root.get(), "volumes/" + name + "/_data"); });
}

static std::vector<MigratedState> list_root_state(const std::filesystem::path& source, const MigrateOptions& options) {
  std::vector<MigratedState> out;
  if (!options.containers || options.later_part || options.state == MigrateOptions::State::stays) return out;
  const Fd root = open_dir(source.string());
  for (const auto& name : volumes_of(source)) out.push_back({kVolume, name, "planned", ""});
  if (exists_at(root.get(), "volumes/metadata.db")) out.push_back({"volumes", "volumes/metadata.db", "planned", ""});
  if (options.state == MigrateOptions::State::volumes_carried) return out;
  for (const auto& name : list_dir(root.get())) {
    const Known* of = known(name);
    if (is_of_graph(name) || (of && of->fate == Fate::not_state)) continue;
    if (of && of->fate == Fate::scratch && is_empty_dir_at(root.get(), name)) continue;
    if (!LayerId::valid(name))
      out.push_back({"other", name, "left", "no engine gives a file there such a name"});
    else if (remapped_root(std::string_view(name)))
      out.push_back({"other", name, "left", "the root of an engine with user namespaces: it is migrated by itself"});
    else if (of && of->fate == Fate::carried)
      out.push_back({"state", name, "planned", ""});
    else
      out.push_back({of ? "state" : "other", name, "left", of ? of->why : "cairn does not know what it is"});
  }
  return out;
}

static uint64_t size_at(int fd, const std::string& path) {
  const auto st = stat_at(fd, path);
  if (!st) return 0;
  return S_ISDIR(st->st_mode) ? usage_of(open_dir_at(fd, path).get()).on_disk
                              : static_cast<uint64_t>(st->st_blocks) * 512;
}

std::vector<MigratedState> find_root_state(const std::filesystem::path& source, const std::filesystem::path& target,
                                           const MigrateOptions& options) {
  auto out = list_root_state(source, options);
  const Fd root = open_dir(source.string());
  run_parallel(options.jobs, out.size(), [&](size_t i) {
    if (out[i].status != "planned" || exists_at(AT_FDCWD, target / place_of(out[i]))) return;
    try {
      out[i].bytes = size_at(root.get(), place_of(out[i]));
      if (out[i].kind == kVolume) out[i].bytes += size_at(root.get(), "vfs/dir/" + out[i].name);  // before 1.7
    } catch (const Error& e) {  // what is wrong with it is found out, and told, when it is copied
      if (e.code() == Errc::interrupted) throw;
    }
  });
  return out;
}

uint64_t carry_root_state(std::vector<MigratedState>& state, const std::filesystem::path& source,
                          const std::filesystem::path& target, const MigrateOptions& options, bool resumed,
                          Progress& progress) {
  const Fd from = open_dir(source.string()), to = open_dir(target.string());
  uint64_t bytes = 0;
  for (auto& item : state) {
    progress.item_done();
    if (item.status != "planned") continue;
    check_interrupt();
    const std::string label = item.kind + " " + item.name.substr(0, 24);
    try {
      if (exists_at(to.get(), place_of(item)) && (!resumed || is_whole(item, from.get(), to.get()))) {
        item.status = "exists";
        continue;
      }
      progress.state(label, "copying");
      progress.expect(item.bytes);
      bytes += while_doing([&] { return "copying '" + printable(place_of(item)) + "'"; },
                           [&] { return carry_one(item, from.get(), to.get(), progress); });
      item.status = "migrated";
    } catch (const Error& e) {
      if (ends_run(e, options)) throw;
      item.status = "failed";
      item.error = e.what();
    }
    progress.state(label, item.status == "failed" ? "failed" : "copied");
  }
  return bytes;
}

}  // namespace cairn
