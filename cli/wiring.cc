#include "cli/wiring.h"

#include <algorithm>
#include <cstdlib>
#include <set>

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

std::vector<HeldDriver> held_drivers(const std::filesystem::path& root, int root_fd) {
  std::set<std::string> names;
  if (const auto images = try_open_at(root_fd, "image", O_RDONLY | O_DIRECTORY | O_NOFOLLOW))
    for (const auto& name : list_dir(images->get()))
      if (LayerId::valid(name)) names.insert(name);
  for (const auto& name : legacy_drivers(root)) names.insert(name);
  std::vector<HeldDriver> out;
  for (const auto& name : names) {
    std::vector<Damage> ignored;
    const auto catalog = open_some_catalog(root, name);
    out.push_back({name, catalog->images(&ignored).size(), 0, catalog->containers(&ignored).size()});
  }
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

LayerStore layers_of(const Store& store, const Globals& globals, Progress& progress) {
  const auto root = std::make_shared<Fd>(dup_fd(store.root_fd.get()));
  return {*store.driver, *store.metadata, globals.jobs, progress, [root] { refuse_if_engine_runs(root->get()); }};
}

}  // namespace cairn
