#include "cli/wiring.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "cli/driver_choice.h"
#include "cli/exit.h"
#include "cli/output/terminal.h"
#include "cli/privilege.h"
#include "core/layer/store_lock.h"
#include "core/migrate/graph/taken_over.h"
#include "core/migrate/switch.h"
#include "core/util/remapped_root.h"
#include "drivers/aufs/aufs.h"
#include "drivers/btrfs/btrfs.h"
#include "drivers/devicemapper/devicemapper.h"
#include "drivers/overlay/overlay.h"
#include "drivers/overlay2/overlay2.h"
#include "drivers/plugin/plugin.h"
#include "drivers/plugin/server/http_server.h"
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
constexpr KnownDriver kDrivers[] = {{"overlay2", open_overlay2}, {"btrfs", open_btrfs},
                                    {"aufs", open_aufs},         {"vfs", open_vfs},
                                    {"overlay", open_overlay},   {"devicemapper", open_devicemapper}};

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
    if (status.readable && status.writable && status.mountable && status.writable_mounts) return known.name;
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

constexpr std::string_view kPlugin = "plugin:";

bool is_known(const std::string& name) {
  return std::any_of(std::begin(kDrivers), std::end(kDrivers),
                     [&](const KnownDriver& one) { return one.name == name; });
}

// What a driver is called below image/.
std::string name_in_root(const std::string& driver) {
  if (!driver.starts_with(kPlugin)) return driver;
  return as_named_by_user([&] { return plugin::name_of(driver.substr(kPlugin.size())); });
}

std::vector<plugin::NamedLayer> named_layers(const std::filesystem::path& root, const std::string& driver) {
  const auto metadata = open_metadata(root, driver);
  std::map<ChainId, LayerId> layers;
  for (const auto& layer : metadata->layers().list()) layers.emplace(layer.chain, layer.cache_id);
  const auto id_of = [&](const std::optional<ChainId>& chain) {
    const auto found = chain ? layers.find(*chain) : layers.end();
    return found == layers.end() ? std::nullopt : std::optional(found->second);
  };
  std::vector<plugin::NamedLayer> out;
  for (const auto& layer : metadata->layers().list()) out.push_back({layer.cache_id, id_of(layer.parent)});
  for (const auto& mount : metadata->layers().mounts()) {
    if (mount.init_id) out.push_back({*mount.init_id, id_of(mount.parent)});
    out.push_back({mount.mount_id, mount.init_id ? mount.init_id : id_of(mount.parent)});
  }
  return out;
}

std::unique_ptr<Driver> open_plugin_driver(const std::string& plugin, const Globals& globals) {
  plugin::Setup setup;
  setup.named = [root = globals.root, name = plugin::name_of(plugin)] { return named_layers(root, name); };
  return plugin::open_plugin(globals.root, plugin, options_of(globals), std::move(setup));
}

std::unique_ptr<Driver> open_driver(const std::string& name, const Globals& globals) {
  std::string known_names;
  for (const auto& known : kDrivers) {
    if (name == known.name) return as_named_by_user([&] { return known.open(globals.root, options_of(globals)); });
    known_names += (known_names.empty() ? "" : ", ") + std::string(known.name);
  }
  if (name.starts_with(kPlugin))
    return as_named_by_user([&] { return open_plugin_driver(name.substr(kPlugin.size()), globals); });
  throw UserError(Errc::unsupported, "opening '" + printable(globals.root) + "' with the storage driver '" +
                                         printable(name) + "': this cairn has none of that name; it has " +
                                         known_names + " and plugin:NAME");
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
  out.reserve(held.size());
  for (const auto& [name, driver] : held) out.push_back(driver);
  return out;
}

// `root_fd` is -1 where there is no root yet.
std::string driver_of(const Globals& globals, const std::filesystem::path& root, int root_fd) {
  if (!globals.driver.empty()) return globals.driver;
  const auto held = root_fd < 0 ? std::vector<HeldDriver>() : held_drivers(root, root_fd);
  const std::string chosen = choose_driver("", environment("STORAGE_DRIVER"), held, [&] { return best_driver(root); });
  const bool is_held = std::any_of(held.begin(), held.end(), [&](const HeldDriver& one) { return one.name == chosen; });
  return is_held && !is_known(chosen) && plugin::may_be_plugin(chosen) ? std::string(kPlugin) + chosen : chosen;
}

// The parts of a store that depend on the driver, but for its catalog.
void choose_and_open(Store& store, const Globals& globals) {
  const std::string driver = driver_of(globals, store.root, store.root_fd.get());
  store.driver_name = name_in_root(driver);
  store.driver = open_driver(driver, globals);
  store.metadata = open_metadata(store.root, store.driver_name);
}

Store open_store(const Globals& globals, Fd root_fd) {
  Store store;
  store.root = globals.root;
  store.root_fd = std::move(root_fd);
  choose_and_open(store, globals);
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

// A directory for a new store.
void make_root(const std::string& root) {
  as_named_by_user([&] { ensure_dir_at(AT_FDCWD, root, 0710); });
}

}  // namespace

Store open_to_read(const Globals& globals) {
  require_readable(globals.root);
  return open_store(globals, open_root(globals.root));
}

Store open_to_write(const Globals& globals, Progress& progress, IfAbsent if_absent) {
  require_root("writing the store '" + printable(globals.root) + "'");
  if (if_absent == IfAbsent::make) make_root(globals.root);
  Fd root_fd = open_root(globals.root);
  refuse_if_engine_runs(root_fd.get());
  Store store = open_store(globals, std::move(root_fd));
  if (store.is_legacy())
    throw UserError(Errc::unsupported, "writing '" + printable(globals.root) +
                                           "': Docker before 1.10 wrote it, and it is only " +
                                           "read; 'cairn migrate' carries it to the current layout");
  store.metadata->prepare();
  layers_of(store, globals, progress).recover();
  return store;
}

DriverStatus probe_new_store(const std::string& driver, const std::filesystem::path& root) {
  const auto* known = std::find_if(std::begin(kDrivers), std::end(kDrivers),
                                   [&](const KnownDriver& one) { return one.name == driver; });
  return known->open(root, {})->probe();
}

std::vector<DriverReport> probe_drivers(const Globals& globals) {
  std::vector<HeldDriver> held;
  if (const auto root = try_open_at(AT_FDCWD, globals.root, O_RDONLY | O_DIRECTORY))
    held = held_drivers(globals.root, root->get());
  const auto images = [&](const std::string& name) -> uint64_t {
    const auto found = std::find_if(held.begin(), held.end(), [&](const HeldDriver& one) { return one.name == name; });
    return found == held.end() ? 0 : found->images;
  };
  std::vector<DriverReport> out;
  for (const auto& known : kDrivers)
    out.push_back({known.name, known.open(globals.root, {})->probe(), images(known.name)});
  for (const auto& found : plugin::find_plugins())
    out.push_back({std::string(kPlugin) + found.name, found.status, images(found.name)});
  return out;
}

// An earlier run's, or else the best where `home` lies.
static std::string driver_to_serve(const std::filesystem::path& home) {
  for (const auto& known : kDrivers)
    if (exists_at(AT_FDCWD, home / known.name)) return known.name;
  return best_driver(home);
}

void serve_driver(const Globals& globals, const std::string& socket, const std::function<bool()>& stop) {
  if (globals.driver.starts_with(kPlugin))
    throw UserError(Errc::invalid, "serving '" + printable(globals.driver) + "': it is served already");
  if (!globals.driver.empty()) open_driver(globals.driver, globals);  // a wrong name or option is said at once
  const auto open = [&](const std::filesystem::path& home, const std::vector<std::string>& options) {
    Globals there = globals;
    there.root = home;
    there.storage_options.insert(there.storage_options.end(), options.begin(), options.end());
    const std::string driver = globals.driver.empty() ? driver_to_serve(home) : globals.driver;
    debug("home '" + printable(home.string()) + "', driver " + driver);
    return open_driver(driver, there);
  };
  plugin::HttpServer server(socket, open);
  debug("answering on '" + printable(socket) + "'");
  server.run(stop);
}

void after_unmount(const std::string& target) { plugin::release_mounts_on(path_of(open_dir(target).get())); }

LayerStore layers_of(const Store& store, const Globals& globals, Progress& progress) {
  const auto root = std::make_shared<Fd>(dup_fd(store.root_fd.get()));
  return {*store.driver, *store.metadata, globals.jobs, progress, [root] { refuse_if_engine_runs(root->get()); }};
}

namespace {

std::filesystem::path without_trailing_slash(const std::string& path) {
  const std::filesystem::path out(path);
  return out.has_filename() ? out : out.parent_path();
}

MigrationPart open_part(const std::string& root, const std::string& driver, bool legacy,
                        std::vector<std::string> options) {
  Globals plain;
  plain.root = root;
  plain.storage_options = std::move(options);
  MigrationPart part;
  Store& store = part.store;
  store.root = without_trailing_slash(root);
  store.driver_name = driver;
  store.root_fd = open_root(root);
  store.driver = open_driver(driver, plain);
  store.metadata = open_metadata(store.root, driver);
  store.catalog = legacy ? open_legacy_catalog(store.root, driver) : open_catalog(store.root, driver);
  if (legacy) part.graph = open_legacy(store.root, driver);
  return part;
}

bool concerns(const std::string& option, const std::string& driver) {
  return option.starts_with(driver == "devicemapper" ? "dm." : driver + ".");
}

std::string paths_below(const std::string& root, const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names)
    out += (out.empty() ? "'" : ", '") + printable((std::filesystem::path(root) / name).string()) + "'";
  return out;
}

// An engine with user namespaces adds the name itself to the directory that it is told.
void refuse_other_name(const std::string& source, const std::string& target) {
  const auto ids = remapped_root(std::filesystem::path(source));
  if (!ids || target.empty()) return;
  const std::string name = without_trailing_slash(source).filename().string();
  if (without_trailing_slash(target).filename() == name) return;
  throw UserError(Errc::invalid, "migrating '" + printable(source) +
                                     "': it is the root of an engine with user namespaces, which looks for it by its "
                                     "name: say --to '" +
                                     printable((std::filesystem::path(target) / name).string()) + "'");
}

// What the root holds, of any driver and layout, or of the one that is named. Half-migrated roots have both layouts.
std::vector<MigrationPart> open_parts(const std::string& root, const std::string& named,
                                      const std::function<std::vector<std::string>(const std::string&)>& options_of) {
  std::vector<MigrationPart> out;
  const Fd root_fd = open_root(root);
  const auto is_meant = [&](const std::string& name) { return named.empty() || name == named; };
  for (const auto& name : drivers_below_image(root_fd.get()))
    if (is_meant(name) && !content_of_driver(root, name).empty())
      out.push_back(open_part(root, name, false, options_of(name)));
  for (const auto& held : legacy_held(root))
    if (is_meant(held.name)) out.push_back(open_part(root, held.name, true, options_of(held.name)));
  if (!out.empty()) return out;
  if (const auto remapped = remapped_roots_in(root_fd.get()); named.empty() && !remapped.empty())
    throw UserError(Errc::unsupported,
                    "migrating '" + printable(root) +
                        "': it holds only roots of engines with user namespaces; migrate each by itself: " +
                        paths_below(root, remapped));
  if (named.empty())
    throw UserError(Errc::unsupported,
                    "migrating '" + printable(root) + "': it holds no images; 'cairn scan' says what it is");
  throw UserError(Errc::not_found,
                  "migrating '" + printable(root) + "': it holds nothing of the driver '" + printable(named) + "'");
}

Store open_target(const Globals& globals, const std::string& engine_root) {
  Store store;
  store.root = without_trailing_slash(globals.root);
  if (exists_at(AT_FDCWD, globals.root)) store.root_fd = open_root(globals.root);
  if (exists_at(AT_FDCWD, engine_root)) refuse_if_engine_runs(open_root(engine_root).get());
  choose_and_open(store, globals);
  store.catalog = open_catalog(store.root, store.driver_name);
  return store;
}

// In place the driver stays unless another is named. What is of the current layout then has nothing to be done to it.
std::string driver_in_place(const Globals& globals, const std::vector<MigrationPart>& parts, const std::string& root) {
  const std::string& driver = globals.driver.empty() ? parts.front().store.driver_name : globals.driver;
  std::string names;
  bool one = true, graph = false;
  for (const auto& part : parts) {
    one = one && part.store.driver_name == parts.front().store.driver_name;
    graph = graph || part.graph;
    names += (names.empty() ? "" : ", ") + part.name();
  }
  if (globals.driver.empty() && !one)
    throw UserError(Errc::invalid, "migrating '" + printable(root) + "' in place: it holds several drivers (" + names +
                                       "); say with --storage-driver which one it is to have");
  if (!graph && one && driver == parts.front().store.driver_name)
    throw UserError(Errc::invalid, "migrating '" + printable(root) +
                                       "' in place: it has the current layout and the driver " + driver +
                                       " already; --storage-driver names another");
  return driver;
}

}  // namespace

// What a later engine has of it is whole or damaged there.
static void add_taken_over(const MigrationPart& part, DriverScan& scan, RootScan& all) {
  const TakenOver taken = taken_over(part.migration_source(), *part.store.metadata);
  for (const auto& image : part.graph->images())
    scan.taken_over_images += image.error.empty() && taken.images.contains(image.id);
  for (const auto& container : part.graph->containers())
    scan.taken_over_containers += container.error.empty() && taken.containers.contains(container.id);
  std::erase_if(scan.damage, [&](const Damage& one) { return taken.has(one.object); });
  const auto left = left_to_graph(part.migration_source(), taken);
  for (auto& other : all.drivers)
    if (other.name == scan.name && other.layout != scan.layout)
      std::erase_if(other.damage, [&](const Damage& one) { return left.contains(one.object); });
}

// What migrating would do about damage. A driver that cannot be opened here leaves the damage as it is.
static void survey_damage(DriverScan& scan, RootScan& all, unsigned jobs) try {
  const MigrationPart part = open_part(all.root, scan.name, scan.layout == "graph", {});
  add_survey(part.survey(jobs), scan.damage);
  if (part.graph) add_taken_over(part, scan, all);
} catch (const Error& e) {
  if (e.code() == Errc::interrupted) throw;
  debug("surveying the damage of " + scan.name + ": " + e.what());
}

RootScan scan_of(const std::string& root, const Globals& globals) {
  RootScan scan = as_named_by_user([&] { return scan_root(root, {globals.jobs, true}); });
  if (!globals.driver.empty())
    std::erase_if(scan.drivers, [&](const DriverScan& one) { return one.name != name_in_root(globals.driver); });
  for (auto& driver : scan.drivers) survey_damage(driver, scan, globals.jobs);
  return scan;
}

MigrationSides open_migration(const Globals& globals, const std::string& source, const std::string& source_driver,
                              const std::string& target) {
  refuse_other_name(source, target);
  MigrationSides sides;
  sides.in_place = target.empty();
  // Of --storage-opt the source gets what concerns its driver, unless the target elsewhere has the same driver.
  sides.parts = open_parts(source, source_driver, [&](const std::string& driver) {
    std::vector<std::string> options;
    if (sides.in_place || driver != globals.driver)
      std::copy_if(globals.storage_options.begin(), globals.storage_options.end(), std::back_inserter(options),
                   [&](const std::string& option) { return concerns(option, driver); });
    return options;
  });
  Globals of_target = globals;
  of_target.root = target;
  if (sides.in_place) {
    of_target.driver = driver_in_place(globals, sides.parts, source);
    sides.beside = std::any_of(sides.parts.begin(), sides.parts.end(),
                               [&](const MigrationPart& part) { return part.store.driver_name != of_target.driver; });
    if (!sides.beside) std::erase_if(sides.parts, [](const MigrationPart& part) { return !part.graph; });
    of_target.root = sides.beside ? StoreSwitch(without_trailing_slash(source)).staging().string() : source;
  }
  const Fd source_fd = open_root(source);
  if (const auto holder = engine_holding(source_fd.get()); holder && !sides.in_place)
    warn("an engine (" + printable(holder->program) + ", pid " + std::to_string(holder->pid) +
         ") has the source open; what it changes meanwhile may be missed");
  std::erase_if(of_target.storage_options, [&](const std::string& option) {
    return std::any_of(sides.parts.begin(), sides.parts.end(), [&](const MigrationPart& part) {
      return part.store.driver_name != of_target.driver && concerns(option, part.store.driver_name);
    });
  });
  sides.target = open_target(of_target, sides.in_place ? source : target);
  return sides;
}

}  // namespace cairn
