#include "drivers/plugin/mounts.h"

#include <unistd.h>

#include "core/util/error.h"
#include "core/util/fd.h"
#include "core/util/replace_file.h"
#include "drivers/plugin/message.h"
#include "drivers/plugin/socket.h"
#include "drivers/sys/mount_table.h"

namespace cairn::plugin {

namespace fs = std::filesystem;

namespace {

// Targets mean something in one mount namespace only.
std::string own_namespace() {
  struct stat st;
  if (::stat("/proc/self/ns/mnt", &st) != 0) throw_errno("looking at the mount namespace");
  return std::to_string(st.st_ino);
}

std::string identity(const struct stat& st) { return std::to_string(st.st_dev) + ":" + std::to_string(st.st_ino); }

std::string identity_of(const fs::path& dir) {
  struct stat st;
  return ::stat(dir.c_str(), &st) == 0 ? identity(st) : "";
}

}  // namespace

struct MountNotes::Note {
  std::string name, plugin, socket, layer, target, shows;

  bool live() const { return is_mount_point(target) && identity_of(target) == shows; }
};

std::string MountNotes::add(const Client& plugin, const LayerId& id, const fs::path& source,
                            const fs::path& target) const {
  const std::string name = id.str().substr(0, 12) + "-" + random_hex(8) + ".json";
  const nlohmann::ordered_json note{
      {"Plugin", plugin.name()},   {"Socket", plugin.socket().string()}, {"Layer", id.str()},
      {"Target", target.string()}, {"Shows", identity_of(source)},       {"Namespace", own_namespace()}};
  std::string text;
  try {
    text = note.dump() + "\n";
  } catch (const nlohmann::json::exception&) {
    throw Error(Errc::unsupported, "noting the mount on '" + printable(target.string()) + "': the path is not UTF-8");
  }
  ensure_dirs_at(AT_FDCWD, dir_, 0700);
  replace_file_at(open_dir(dir_).get(), name, text, 0600, Durable::no);
  return name;
}

void MountNotes::drop(const std::string& note) const {
  if (::unlinkat(open_dir(dir_).get(), note.c_str(), 0) != 0 && errno != ENOENT)
    throw_errno("removing '" + printable((dir_ / note).string()) + "'");
}

std::vector<MountNotes::Note> MountNotes::notes() const {
  std::vector<Note> out;
  const auto dir = try_open_at(AT_FDCWD, dir_, O_RDONLY | O_DIRECTORY);
  if (!dir) return out;
  const std::string here = own_namespace();
  for (const auto& name : list_dir(dir->get())) {
    const auto text = name.ends_with(".json") ? try_read_file_at(dir->get(), name, kMaxMessage) : std::nullopt;
    if (!text) continue;  // dropped meanwhile
    while_doing([&] { return "reading '" + printable((dir_ / name).string()) + "'"; },
                [&] {
                  const Message note(*text);
                  if (note.text("Namespace") == here)
                    out.push_back({name, note.text("Plugin"), note.text("Socket"), note.text("Layer"),
                                   note.text("Target"), note.text("Shows")});
                });
  }
  return out;
}

std::optional<fs::path> MountNotes::mounted(const Client& plugin, const LayerId& id) const {
  std::optional<fs::path> where;
  for (const auto& note : notes()) {
    if (note.socket != plugin.socket() || note.layer != id.str()) continue;
    if (note.live()) {
      where = note.target;
      continue;
    }
    drop(note.name);
    plugin.put(id);
  }
  return where;
}

void MountNotes::unmounted(const fs::path& target) const {
  for (const auto& note : notes()) {
    if (note.target != target || note.live()) continue;
    drop(note.name);
    if (!somebody_listens(note.socket)) continue;  // references end with the plugin
    Client(note.plugin, note.socket).put(LayerId(note.layer));
  }
}

}  // namespace cairn::plugin
