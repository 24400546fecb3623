#include "cli/wiring.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "cli/driver_choice.h"
#include "cli/exit.h"
#include "cli/output/terminal.h"
#include "cli/privilege.h"
#include "core/layer/store_lock.h"
#include "drivers/overlay/overlay.h"
#include "drivers/overlay2/overlay2.h"
#include "drivers/vfs/vfs.h"
#include "graphdb/catalog/catalog.h"
#include "graphdb/legacy/legacy_graph.h"
#include "graphdb/store.h"

namespace cairn {
namespace {

struct KnownDriver {
  const char* name;
  std::unique_ptr<Driver> (*open)(const std::filesystem::path& root, const DriverOptions& options);
};
// Best first: the order in which a new store tries them.
constexpr KnownDriver kDrivers[] = {{"overlay2", open_overlay2}, {"vfs", open_vfs}, {"overlay", open_overlay}};

DriverOptions options_of(const Globals& globals) {
  DriverOptions out;
  for (const auto& option : globals.storage_options) {
    const size_t equals = option.find('=');
    out.storage_opts.emplace_back(option.substr(0, equals), option.substr(equals + 1));
  }
  return out;
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::string best_driver(const std::filesystem::path& root) {
  for (const auto& known : kDrivers) {
    const DriverStatus status = known.open(root, {})->probe();
    if (status.readable && status.writable && status.mountable) return known.name;
  }
  return "vfs";
}

// In a root that was migrated in place both layouts are there: the new one is what counts.
std::unique_ptr<Catalog> open_some_catalog(const std::filesystem::path& root, const std::string& driver) {
  const auto legacy = legacy_drivers(root);
  const bool is_legacy = std::find(legacy.begin(), legacy.end(), driver) != legacy.end() &&
                         open_metadata(root, driver)->images().list().empty();
  return is_legacy ? open_legacy_catalog(root, driver) : open_catalog(root, driver);
}

std::unique_ptr<Driver> open_driver(const std::string& name, const Globals& globals) {
  std::string known_names;
  for (const auto& known : kDrivers) {
    if (name == known.name) return as_named_by_user([&] { return known.open(globals.root, options_of(globals)); });
    known_names += (known_names.empty() ? "" : ", ") + std::string(known.name);
  }
  throw UserError(Errc::unsupported, "opening '" + printable(globals.root) + "' with the storage driver '" + printable(name) +
                                         "': this cairn has none of that name; it has " + known_names);
}

std::vector<std::string> drivers_below_image(int root_fd) {
  std::vector<std::string> out;
  if (const auto images = try_open_at(root_fd, "image", O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
    for (const auto& name : list_dir(images->get()))
      if (LayerId::valid(name)) out.push_back(name);
  return out;
}

HeldDriver content_of_driver(const std::filesystem::path& root, const std::string& name) {
  const auto metadata = open_metadata(root, name);
  return {name, metadata->images().list().size(), metadata->layers().list().size(), metadata->layers().mounts().size()};
}

HeldDriver graph_of_driver(const std::filesystem::path& root, const std::string& name) {
  std::vector<Damage> ignored;
  const auto catalog = open_legacy_catalog(root, name);
  const uint64_t images = catalog->images(&ignored).size();
  return {name, images, images, catalog->containers(&ignored).size()};
}

std::vector<HeldDriver> legacy_held(const std::filesystem::path& root) {
  std::vector<HeldDriver> out;
  for (const auto& name : legacy_drivers(root)) out.push_back(graph_of_driver(root, name));
  return out;
}

std::vector<HeldDriver> held_drivers(const std::filesystem::path& root, int root_fd) {
  std::map<std::string, HeldDriver> held;
  for (const auto& name : drivers_below_image(root_fd)) held[name] = content_of_driver(root, name);
  for (const auto& name : legacy_drivers(root))
    if (held[name].empty()) held[name] = graph_of_driver(root, name);
  std::vector<HeldDriver> out;
  for (const auto& [name, driver] : held) out.push_back(driver);
  return out;
}

Store open_store(const Globals& globals, Fd root_fd) {
  Store store;
  store.root = globals.root;
  store.root_fd = std::move(root_fd);
  store.driver_name = choose_driver(globals.driver, environment("STORAGE_DRIVER"),
                                    store.root_fd ? held_drivers(store.root, store.root_fd.get()) : std::vector<HeldDriver>{},
                                    [&] { return best_driver(store.root); });
  store.driver = open_driver(store.driver_name, globals);
  store.metadata = open_metadata(store.root, store.driver_name);
  store.catalog = open_some_catalog(store.root, store.driver_name);
  debug("root '" + printable(globals.root) + "', driver " + store.driver_name + ", layout " + store.catalog->layout());
  return store;
}

Fd open_root(const std::string& root) {
  try {
    return open_dir(root);
  } catch (const Error& e) {
    if (e.code() == Errc::not_found) throw UserError(e.code(), std::string(e.what()) + "; name the store with --root");
    throw;
  }
}

// An existing directory for a new store; true if it had to be made.
bool make_target(const std::string& target) {
  if (exists_at(AT_FDCWD, target)) return false;
  as_named_by_user([&] { mkdir_at(AT_FDCWD, target, 0710); });
  return true;
}

}  // namespace

Store open_to_read(const Globals& globals) {
  require_readable(globals.root);
  return open_store(globals, open_root(globals.root));
}

Store open_to_write(const Globals& globals, Progress& progress, IfAbsent if_absent) {
  require_root("writing the store '" + printable(globals.root) + "'");
  Fd root_fd;
  if (if_absent == IfAbsent::refuse || exists_at(AT_FDCWD, globals.root)) {
    root_fd = open_root(globals.root);
    refuse_if_engine_runs(root_fd.get());
  }
  Store store = open_store(globals, std::move(root_fd));
  if (store.is_legacy())
    throw UserError(Errc::unsupported, "writing '" + printable(globals.root) + "': Docker before 1.10 wrote it, and it is only " +
                                           "read; 'cairn migrate' carries it to the current layout");
  store.metadata->prepare();
  store.root_fd = open_root(globals.root);
  layers_of(store, globals, progress).recover();
  return store;
}

static Store open_source(const Globals& globals, const std::string& source, const std::string& driver) {
  Store out;
  out.root = source;
  out.root_fd = open_root(source);
  refuse_if_engine_runs(out.root_fd.get());
  const auto held = legacy_held(source);
  if (held.empty())
    throw UserError(Errc::unsupported, "migrating '" + printable(source) + "': it has no graph of Docker 0.7 to 1.9; " +
                                           "'cairn scan' says what it is");
  out.driver_name = choose_driver(driver, "", held, [&] { return held.front().name; });
  Globals plain = globals;
  plain.root = source;
  plain.storage_options.clear();               // they are the target's
  out.driver = open_driver(out.driver_name, plain);
  out.metadata = open_metadata(source, out.driver_name);
  out.catalog = open_legacy_catalog(source, out.driver_name);
  return out;
}

Migration open_migration(const Globals& globals, const std::string& source, const std::string& source_driver,
                         const std::string& target) {
  Migration out;
  out.source = open_source(globals, source, target.empty() && source_driver.empty() ? globals.driver : source_driver);
  out.graph = open_legacy(source, out.source.driver_name);
  if (target.empty()) {
    out.target_root = source;
    out.target_fd = open_root(source);
    out.target_driver_name = out.source.driver_name;
  } else {
    Globals there = globals;
    there.root = target;
    out.target_root = target;
    if (exists_at(AT_FDCWD, target)) refuse_if_engine_runs(open_root(target).get());
    out.target_made = make_target(target);
    out.target_fd = open_root(target);
    out.target_driver_name = choose_driver(globals.driver, environment("STORAGE_DRIVER"),
                                           held_drivers(target, out.target_fd.get()), [&] { return best_driver(target); });
    out.own_target_driver = open_driver(out.target_driver_name, there);
  }
  out.target_metadata = open_metadata(out.target_root, out.target_driver_name);
  return out;
}

RootScan scan_of(const std::string& root, const Globals& globals) {
  RootScan scan = as_named_by_user([&] { return scan_root(root, {globals.jobs, true}); });
  if (!globals.driver.empty()) std::erase_if(scan.drivers, [&](const DriverScan& one) { return one.name != globals.driver; });
  return scan;
}

std::vector<DriverReport> probe_drivers(const Globals& globals) {
  std::vector<HeldDriver> held;
  if (const auto root = try_open_at(AT_FDCWD, globals.root, O_RDONLY | O_DIRECTORY)) held = held_drivers(globals.root, root->get());
  std::vector<DriverReport> out;
  for (const auto& known : kDrivers) {
    const auto found = std::find_if(held.begin(), held.end(), [&](const HeldDriver& one) { return one.name == known.name; });
    out.push_back({known.name, known.open(globals.root, {})->probe(), found == held.end() ? 0 : found->images});
  }
  return out;
}

LayerStore layers_of(const Store& store, const Globals& globals, Progress& progress) {
  const auto root = std::make_shared<Fd>(dup_fd(store.root_fd.get()));
  return {*store.driver, *store.metadata, globals.jobs, progress, [root] { refuse_if_engine_runs(root->get()); }};
}

namespace {

std::string legacy_driver(const std::string& root, const std::string& named) {
  const auto drivers = legacy_drivers(root);
  if (drivers.empty())
    throw UserError(Errc::unsupported, "migrating '" + printable(root) + "': it has no graph/ of Docker 0.7 to 1.9; 'cairn scan' says what it is");
  if (!named.empty() && std::find(drivers.begin(), drivers.end(), named) == drivers.end())
    throw UserError(Errc::not_found, "migrating '" + printable(root) + "': it holds nothing of the driver '" + printable(named) + "'");
  std::vector<HeldDriver> held;
  for (const auto& name : drivers) {
    std::vector<Damage> ignored;
    held.push_back({name, open_legacy_catalog(root, name)->images(&ignored).size(), 0, 0});
  }
  return choose_driver(named, "", held, [&] { return drivers.front(); });
}

std::filesystem::path without_trailing_slash(const std::string& path) {
  const std::filesystem::path out(path);
  return out.has_filename() ? out : out.parent_path();
}

Store open_legacy_store(const Globals& globals, const std::string& driver) {
  Store store;
  store.root = without_trailing_slash(globals.root);
  store.driver_name = driver;
  store.root_fd = open_root(globals.root);
  store.driver = open_driver(driver, globals);
  store.metadata = open_metadata(store.root, driver);
  store.catalog = open_legacy_catalog(store.root, driver);
  return store;
}

Store open_target(const Globals& globals, bool dry_run) {
  if (!dry_run) ensure_dir_at(AT_FDCWD, globals.root, 0711);
  Store store;
  store.root = without_trailing_slash(globals.root);
  if (exists_at(AT_FDCWD, globals.root)) store.root_fd = open_root(globals.root);
  store.driver_name = globals.driver.empty() ? best_driver(store.root) : globals.driver;
  store.driver = open_driver(store.driver_name, globals);
  store.metadata = open_metadata(store.root, store.driver_name);
  store.catalog = open_catalog(store.root, store.driver_name);
  return store;
}

}  // namespace

MigrationSides open_migration(const Globals& globals, const std::string& source, const std::string& source_driver,
                              const std::string& target, bool dry_run) {
  const bool in_place = target.empty();
  Globals of_source = globals, of_target = globals;
  of_source.root = source;
  of_target.root = in_place ? source : target;
  const Fd exists = open_root(source);
  const std::string driver = legacy_driver(source, in_place && source_driver.empty() ? globals.driver : source_driver);
  if (in_place && !globals.driver.empty() && globals.driver != driver)
    throw UserError(Errc::invalid, "migrating in place: the driver stays " + driver + "; for " + printable(globals.driver) + " migrate --to another root");
  if (in_place) of_target.driver = driver;
  MigrationSides sides{open_legacy(without_trailing_slash(source), driver), open_legacy_store(of_source, driver), open_target(of_target, dry_run)};
  if (const auto holder = engine_holding(sides.source.root_fd.get()); holder && !in_place)
    warn("an engine (" + holder->program + ", pid " + std::to_string(holder->pid) + ") has the source open; what it changes meanwhile may be missed");
  if (!dry_run) refuse_if_engine_runs(sides.target.root_fd.get());
  return sides;
}

MigrationSource MigrationSides::migration_source() const { return {source.root, *graph, *source.driver}; }

MigrationTarget MigrationSides::migration_target() const {
  const auto root = std::make_shared<Fd>(target.root_fd ? dup_fd(target.root_fd.get()) : Fd());
  return {target.root, *target.driver, *target.metadata, [root] { refuse_if_engine_runs(root->get()); }};
}

}  // namespace cairn
