// Docker's graph driver plugins: another process keeps the layers and is called over a unix socket.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "core/interfaces/driver.h"
#include "drivers/plugin/client.h"
#include "drivers/plugin/discovery.h"

namespace cairn::plugin {

struct NamedLayer {  // one that metadata names
  LayerId id;
  std::optional<LayerId> parent;
};

struct Setup {
  Places places = {};
  Patience patience = {};
  // What the store's metadata names: the protocol has no list of layers, and wants a layer's parent at some calls.
  std::function<std::vector<NamedLayer>()> named = [] { return std::vector<NamedLayer>(); };
};

// `plugin` is NAME or /PATH/NAME.sock; the driver's name is NAME, its home `root`/NAME. Nothing is called before the
// first use. Throws Errc::invalid for a name that cannot be.
std::unique_ptr<Driver> open_plugin(const std::filesystem::path& root, const std::string& plugin,
                                    const DriverOptions& options = {}, Setup setup = {});

struct Found {
  std::string name;
  DriverStatus status;
};
// Graph drivers among the plugins in these places, and what does not answer. Nothing is initialised.
std::vector<Found> find_plugins(const Places& places = {});

// To be called after unmounting `target` (canonical).
void release_mounts_on(const std::filesystem::path& target, const Places& places = {});

}  // namespace cairn::plugin
