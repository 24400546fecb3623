#include "graphdb/catalog/container_view.h"

namespace cairn {

static std::string command_of(const JsonObject& config) {
  std::string out = config.string("Path");
  for (const auto raw : config.elements("Args")) {
    if (!is_json_string(raw)) continue;
    const std::string word = go_json::unquote(raw);
    out += word.find(' ') == std::string::npos ? " " + word : " '" + word + "'";
  }
  return out;
}

// As the engine words it, without ages: nobody keeps the state of a store at rest up to date.
static std::string status_of(const JsonObject& state) {
  const std::string code = "(" + std::to_string(state.number("ExitCode")) + ")";
  if (state.flag("Running"))
    return state.flag("Paused") ? "Up (Paused)" : state.flag("Restarting") ? "Restarting " + code : "Up";
  if (state.flag("RemovalInProgress")) return "Removal In Progress";
  if (state.flag("Dead")) return "Dead";
  const std::string started = state.string("StartedAt");
  if (started.empty() || started.starts_with("0001-01-01T00:00:00")) return "Created";
  return "Exited " + code;
}

CatalogContainer view_container(const std::string& id, const JsonObject& config) {
  CatalogContainer out;
  out.id = id;
  out.name = config.string("Name");
  if (out.name.starts_with("/")) out.name.erase(0, 1);
  out.image = config.string("Image");
  out.command = command_of(config);
  out.created = config.string("Created");
  out.status = "Created";
  if (const auto state = config.object("State")) {
    out.status = status_of(*state);
    out.running = state->flag("Running");
  }
  return out;
}

std::string made_from(const JsonObject& config) {
  const auto inner = config.object("Config");
  return inner ? inner->string("Image") : "";
}

}  // namespace cairn
