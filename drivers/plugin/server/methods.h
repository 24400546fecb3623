// The protocol's methods that take a JSON object and give one.
#pragma once

#include <functional>
#include <map>
#include <nlohmann/json.hpp>
#include <string>

#include "drivers/plugin/message.h"
#include "drivers/plugin/server/graph_service.h"

namespace cairn::plugin {

using Method = std::function<nlohmann::ordered_json(GraphService&, const Message&)>;

// By name: "GraphDriver.Get". Diff and ApplyDiff are streams, and not among them.
const std::map<std::string, Method, std::less<>>& methods();

}  // namespace cairn::plugin
