#include "core/migrate/graph/containers.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/archive/changes.h"
#include "core/image/v1_config.h"
#include "core/json/go_json.h"
#include "core/layer/store_lock.h"
#include "core/migrate/host_config.h"
#include "core/migrate/place_container.h"
#include "core/migrate/recheck.h"
#include "core/migrate/root_state.h"
#include "core/migrate/volume_sources.h"
#include "core/util/error.h"

namespace cairn {

namespace {

// Files that migration writes itself, and mount points of another time.
bool comes_along(const std::string& name) {
  return name != "config.json" && name != "config.v2.json" && name != "hostconfig.json";
}

void copy_file(int from_dir, int to_dir, const std::string& name, const struct stat& st) {
  const Fd from = open_at(from_dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK);
  remove_tree_at(to_dir, name);
  const Fd to = open_at(to_dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0600);
  std::string buffer(1 << 20, '\0');
  while (const size_t n = read_some(from.get(), buffer)) write_all(to.get(), std::span(buffer).first(n));
  const timespec times[2] = {st.st_atim, st.st_mtim};
  if (::fchown(to.get(), st.st_uid, st.st_gid) != 0 || ::fchmod(to.get(), st.st_mode & 07777) != 0 ||
      ::futimens(to.get(), times) != 0)
    throw_errno("copying '" + printable(name) + "'");
}

// Logs, hostname, hosts and the like: every regular file of containers/ID.
void copy_files(const std::string& id, const MigrationSource& source, const MigrationTarget& target) {
  const Fd source_root = open_dir(source.root.string()), target_root = open_dir(target.root.string());
  const Fd from = open_dir_at(open_dir_at(source_root.get(), "containers").get(), id);
  const Fd to = open_dir_at(open_dir_at(target_root.get(), "containers").get(), id);
  for (const auto& name : list_dir(from.get())) {
    const auto st = stat_at(from.get(), name);
    if (st && S_ISREG(st->st_mode) && comes_along(name)) copy_file(from.get(), to.get(), name, *st);
  }
}

}  // namespace

std::optional<std::string> mount_points_from_volumes(const std::string& config_json,
                                                     const std::set<std::string>& volumes, bool volumes_stay) {
  using go_json::Kind, go_json::Member, go_json::RawObject, go_json::encode, go_json::find_field, go_json::kind_of,
      go_json::members, go_json::object, go_json::quote, go_json::unquote;
  const auto fields = members(config_json);
  const Member* points = find_field(fields, "MountPoints");
  if (points && kind_of(points->raw) == Kind::object && !members(points->raw).empty()) return std::nullopt;
  const Member* paths = find_field(fields, "Volumes");
  if (!paths || kind_of(paths->raw) != Kind::object) return std::nullopt;
  const Member* writable = find_field(fields, "VolumesRW");
  const RawObject rw = writable && kind_of(writable->raw) == Kind::object ? object(writable->raw) : RawObject();
  RawObject out;
  for (const auto& [destination, raw] : object(paths->raw)) {
    if (kind_of(raw) != Kind::string) continue;
    std::string path = unquote(raw);
    std::string name = path.substr(path.rfind('/') + 1);
    if (name == "_data" && path.size() > 6) {
      const std::string above = path.substr(0, path.size() - 6);
      name = above.substr(above.rfind('/') + 1);
    }
    const bool volume = volumes.contains(name) &&
                        (path.find("/vfs/dir/") != std::string::npos || path.find("/volumes/") != std::string::npos);
    if (volume && !volumes_stay) {
      const size_t place = std::min(path.rfind("/vfs/dir/"), path.rfind("/volumes/"));
      path = path.substr(0, place) + "/volumes/" + name + "/_data";
    }
    const auto mode = rw.find(destination);
    RawObject point{{"Destination", quote(destination)},
                    {"Source", quote(path)},
                    {"Relabel", "\"\""},
                    {"RW", mode == rw.end() || mode->second == "true" ? "true" : "false"}};
    point["Name"] = volume && !volumes_stay ? quote(name) : "\"\"";
    point["Driver"] = volume && !volumes_stay ? "\"local\"" : "\"\"";
    out[destination] = encode(point);
  }
  return out.empty() ? std::nullopt : std::optional(encode(out));
}

// config.v2.json. 1.10 changed only "Image"; a new driver's name and mount points are what it or later engines need
// besides.
static std::string new_config(const LegacyContainer& container, const ImagePlace& image, const MigrationSource& source,
                              const MigrationTarget& target, const MigrateOptions& options) {
  const std::string driver(target.driver.name());
  std::string out = container_v2_from_v1(container.config, image.id,
                                         driver == container.driver ? std::nullopt : std::optional(driver));
  const auto points =
      mount_points_from_volumes(out, volumes_of(source.root), options.state == MigrateOptions::State::stays);
  if (points) {
    auto fields = go_json::object(out);
    fields["MountPoints"] = *points;
    out = go_json::encode(fields);
  }
  return options.in_place || options.beside ? out : with_volumes_in(out, path_of(open_dir(target.root.string()).get()));
}

bool migrate_container(const LegacyContainer& container, const ImagePlace& image, const MigrationSource& source,
                       const SourceTrees& trees, const MigrationTarget& target, const MigrateOptions& options,
                       LayerPlacer& placer, LayerStore& layers, bool resumed) {
  const LayerId id(container.id), init(container.id + "-init");
  auto& metadata = target.metadata;
  if (!resumed && metadata.layers().find_mount(container.id)) return false;
  if (!trees.has(id))
    throw Error(Errc::corrupt,
                "its writable layer is missing from the " + std::string(source.driver.name()) + " directory");
  const MountRecord mount{container.id, id, trees.has(init) ? std::optional(init) : std::nullopt, image.chain};
  if (resumed && has_container(trees, source.root, target, mount)) return false;
  std::unique_ptr<LayerTransaction> trace;
  if (!options.in_place) {
    trace = copy_layers({mount, image.source_layer, image.target_layer}, target, placer);
    metadata.containers().put(container.id, {{"config.json", container.config}});
    copy_files(container.id, source, target);
  }
  std::map<std::string, std::string> files{{"config.v2.json", new_config(container, image, source, target, options)}};
  const std::string host_config = complete_host_config(container.host_config, container.links);
  if (!options.in_place) files["hostconfig.json"] = host_config;
  layers.sync();
  metadata.containers().put(container.id, files);
  publish_container(mount, target);
  return true;
}

}  // namespace cairn
