// A driver behind the graph driver plugin protocol: cairn as the engine's side on one end of a socket, and as the
// plugin on the other.
#pragma once

#include <filesystem>
#include <memory>

#include "core/interfaces/driver.h"
#include "drivers/plugin/server/http_server.h"

namespace cairn::test {

// All drivers of one root share a server, which ends with the last of them.
std::unique_ptr<Driver> open_served(const std::filesystem::path& root, const plugin::OpenDriver& open);

}  // namespace cairn::test
