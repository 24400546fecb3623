#include "drivers/plugin/discovery.h"

#include <unistd.h>

#include <algorithm>
#include <optional>
#include <set>

#include "core/util/error.h"
#include "core/util/fd.h"
#include "core/util/ids.h"
#include "drivers/plugin/message.h"

namespace cairn::plugin {

namespace fs = std::filesystem;

namespace {

// Engines' own drivers, which no plugin can replace, and what else lies in a root.
constexpr std::string_view kTaken[] = {
    "aufs",     "btrfs",   "devicemapper", "fuse-overlayfs", "overlay",    "overlay2",   "vfs",   "zfs",    "builder",
    "buildkit", "certs",   "engine",       "containerd",     "containers", "execdriver", "graph", "image",  "init",
    "network",  "plugins", "run",          "runtimes",       "swarm",      "tmp",        "trust", "volumes"};

bool socket_lies_at(const fs::path& path) {
  struct stat st;
  return ::stat(path.c_str(), &st) == 0 && S_ISSOCK(st.st_mode);
}

std::string trimmed(const std::string& text) {
  constexpr const char* kSpace = " \t\r\n";
  const size_t from = text.find_first_not_of(kSpace);
  return from == std::string::npos ? "" : text.substr(from, text.find_last_not_of(kSpace) - from + 1);
}

std::string url_in(const fs::path& file) {
  const std::string text = read_file_at(AT_FDCWD, file, 64 << 10);
  return file.extension() == ".json" ? Message(text).text("Addr") : trimmed(text);
}

fs::path socket_of(const std::string& url) {
  constexpr std::string_view kScheme = "unix://";
  const std::string path = url.starts_with(kScheme) ? url.substr(kScheme.size()) : "";
  if (!path.starts_with('/') || path.find('\0') != std::string::npos)
    throw Error(Errc::unsupported,
                "its address '" + printable(url) + "' is not unix:///PATH; cairn calls plugins on unix sockets only");
  return path;
}

std::optional<fs::path> socket_in_spec(const fs::path& dir, const std::string& name) {
  for (const std::string suffix : {".spec", ".json"})
    for (const fs::path& file : {dir / (name + suffix), dir / name / (name + suffix)})
      if (exists_at(AT_FDCWD, file))
        return while_doing([&] { return "reading '" + printable(file.string()) + "'"; },
                           [&] { return socket_of(url_in(file)); });
  return std::nullopt;
}

std::string list_of(const Places& places) {
  std::string out = "'" + places.sockets.string() + "'";
  for (const auto& dir : places.specs) out += ", '" + dir.string() + "'";
  return out;
}

// Names in `dir` that end in one of `suffixes`, there or in a directory of that name.
void add_names(const fs::path& dir, const std::vector<std::string>& suffixes, std::set<std::string>& names) {
  if (::access(dir.c_str(), R_OK | X_OK) != 0) return;  // absent, or closed to this user: then its plugins are, too
  const auto fd = try_open_at(AT_FDCWD, dir, O_RDONLY | O_DIRECTORY);
  if (!fd) return;
  for (const auto& entry : list_dir(fd->get()))
    for (const auto& suffix : suffixes) {
      if (exists_at(fd->get(), entry + "/" + entry + suffix)) names.insert(entry);
      if (entry.size() > suffix.size() && entry.ends_with(suffix))
        names.insert(entry.substr(0, entry.size() - suffix.size()));
    }
}

}  // namespace

bool may_be_plugin(const std::string& name) {
  return LayerId::valid(name) && std::find(std::begin(kTaken), std::end(kTaken), name) == std::end(kTaken);
}

std::string name_of(const std::string& plugin) {
  const bool is_path = plugin.starts_with('/');
  std::string name = is_path ? fs::path(plugin).filename().string() : plugin;
  if (is_path && name.ends_with(".sock")) name.erase(name.size() - 5);
  const std::string doing = "choosing the plugin '" + printable(plugin) + "': ";
  if (!LayerId::valid(name))
    throw Error(Errc::invalid, doing + "its name may only have letters, digits, '_', '-' and '.'");
  if (!may_be_plugin(name))
    throw Error(Errc::invalid, doing + "'" + name + "' is an engine's own name in a root; plugins need another");
  return name;
}

Address locate(const std::string& plugin, const Places& places) {
  const std::string name = name_of(plugin);
  if (plugin.starts_with('/')) return {name, plugin};
  for (const fs::path& path : {places.sockets / (name + ".sock"), places.sockets / name / (name + ".sock")})
    if (socket_lies_at(path)) return {name, path};
  for (const auto& dir : places.specs)
    if (const auto socket = socket_in_spec(dir, name)) return {name, *socket};
  throw Error(Errc::not_found, "looking for the plugin '" + name + "': nothing of that name is in " + list_of(places) +
                                   "; start it, or name its socket: plugin:/PATH/NAME.sock");
}

std::vector<std::string> discovered(const Places& places) {
  std::set<std::string> names;
  add_names(places.sockets, {".sock"}, names);
  for (const auto& dir : places.specs) add_names(dir, {".spec", ".json"}, names);
  return {names.begin(), names.end()};
}

}  // namespace cairn::plugin
