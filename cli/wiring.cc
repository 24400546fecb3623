#include "cli/wiring.h"

#include <algorithm>
#include <cstdlib>
#include <map>

#include "cli/driver_choice.h"
#include "cli/exit.h"
#include "cli/output/terminal.h"
#include "cli/privilege.h"
#include "cli/registry_flags.h"
#include "core/layer/store_lock.h"
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
#include "registry/credentials.h"
#include "registry/http_repository.h"

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

// A directory for a new store.
void make_root(const std::string& root) {
  as_named_by_user([&] { ensure_dir_at(AT_FDCWD, root, 0710); });
}

}  // namespace

Fd open_root(const std::string& root) {
  try {
    return open_dir(root);
  } catch (const Error& e) {
    if (e.code() == Errc::not_found) throw UserError(e.code(), std::string(e.what()) + "; name the store with --root");
    throw;
  }
}

std::string name_in_root(const std::string& driver) {
  if (!driver.starts_with(kPlugin)) return driver;
  return as_named_by_user([&] { return plugin::name_of(driver.substr(kPlugin.size())); });
}

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

static RetryPolicy retry_policy(const std::string& domain, const RegistryFlags& flags,
                                std::function<void(const std::string&)> notice) {
  RetryPolicy out;
  out.times = flags.retries;
  out.stall = std::chrono::seconds(flags.stall_seconds);
  out.tell = [notice = std::move(notice), domain](const std::string& why, std::chrono::milliseconds pause) {
    notice("'" + printable(domain) + "': " + why + "; trying again in " + std::to_string((pause.count() + 999) / 1000) +
           " s");
  };
  return out;
}

std::unique_ptr<RemoteRepository> open_repository(const Reference& reference, const RegistryFlags& flags,
                                                  RegistryPurpose purpose,
                                                  std::function<void(const std::string&)> notice) {
  return as_named_by_user([&]() -> std::unique_ptr<RemoteRepository> {
    CredentialOptions options;
    options.creds = flags.creds;
    options.creds_host = reference.domain;
    options.authfile = flags.authfile;
    const CredentialStore credentials(std::move(options));
    HostOptions hosts;
    hosts.plain_http = flags.plain_http;
    hosts.tls_verify = flags.tls_verify;
    hosts.cert_dir = flags.cert_dir;
    std::vector<RegistryWay> ways;
    for (auto& endpoint : endpoints_for(
             reference.domain, purpose == RegistryPurpose::pull ? RegistryUse::pull : RegistryUse::push, hosts)) {
      Credential who = credentials.find(endpoint.host, reference.path);
      ways.push_back({std::move(endpoint), std::move(who)});
    }
    return std::make_unique<HttpRepository>(std::make_unique<RegistryTransport>(
        reference.domain, reference.path, std::move(ways), retry_policy(reference.domain, flags, std::move(notice))));
  });
}

void after_unmount(const std::string& target) { plugin::release_mounts_on(path_of(open_dir(target).get())); }

LayerStore layers_of(const Store& store, const Globals& globals, Progress& progress) {
  const auto root = std::make_shared<Fd>(dup_fd(store.root_fd.get()));
  return {*store.driver, *store.metadata, globals.jobs, progress, [root] { refuse_if_engine_runs(root->get()); }};
}

std::filesystem::path without_trailing_slash(const std::string& path) {
  const std::filesystem::path out(path);
  return out.has_filename() ? out : out.parent_path();
}

std::vector<StoreName> stores_in(const std::string& root) {
  std::vector<StoreName> out;
  for (const auto& name : drivers_below_image(open_root(root).get()))
    if (!content_of_driver(root, name).empty()) out.push_back({name, false});
  for (const auto& name : legacy_drivers(root)) out.push_back({name, true});
  return out;
}

MigrationPart open_part(const std::string& root, const StoreName& name, std::vector<std::string> options) {
  Globals plain;
  plain.root = root;
  plain.storage_options = std::move(options);
  MigrationPart part;
  Store& store = part.store;
  store.root = without_trailing_slash(root);
  store.driver_name = name.driver;
  store.root_fd = open_root(root);
  store.driver = open_driver(name.driver, plain);
  store.metadata = open_metadata(store.root, name.driver);
  store.catalog = name.graph ? open_legacy_catalog(store.root, name.driver) : open_catalog(store.root, name.driver);
  if (name.graph) part.graph = open_legacy(store.root, name.driver);
  return part;
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

}  // namespace cairn
