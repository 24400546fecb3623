// One connection of an engine: requests and their answers, one after the other.
#pragma once

#include "drivers/plugin/client.h"
#include "drivers/plugin/server/graph_service.h"
#include "drivers/plugin/socket.h"

namespace cairn::plugin {

// Until the other side, or a failure, ends it. Does not throw.
void converse(Socket& socket, GraphService& service, const Patience& patience) noexcept;

}  // namespace cairn::plugin
