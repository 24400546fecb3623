#include "core/migrate/volume_sources.h"

#include <vector>

#include "core/json/go_json.h"

namespace cairn {

using go_json::Kind;
using go_json::Member;

static std::string text_of(const std::vector<Member>& members, const char* field) {
  const Member* found = go_json::find_field(members, field);
  return found && go_json::kind_of(found->raw) == Kind::string ? go_json::unquote(found->raw) : "";
}

std::string with_volumes_in(const std::string& config, const std::filesystem::path& root) {
  const auto top = go_json::members(config);
  const Member* points = go_json::find_field(top, "MountPoints");
  if (points == nullptr || go_json::kind_of(points->raw) != Kind::object) return config;
  std::string out;
  size_t kept = 0;  // how much of `config` is in `out`
  for (const auto& point : go_json::members(points->raw)) {
    if (go_json::kind_of(point.raw) != Kind::object) continue;
    const auto fields = go_json::members(point.raw);
    const std::string name = text_of(fields, "Name"), source = text_of(fields, "Source");
    const std::string below = "/volumes/" + name + "/_data";
    if (name.empty() || text_of(fields, "Driver") != "local" || !source.ends_with(below)) continue;
    const std::string old_root = source.substr(0, source.size() - below.size());
    if (root.native().ends_with(old_root)) continue;
    const std::string_view raw = go_json::find_field(fields, "Source")->raw;
    const auto at = static_cast<size_t>(raw.data() - config.data());
    out += config.substr(kept, at - kept) + go_json::quote(root.native() + below);
    kept = at + raw.size();
  }
  return out + config.substr(kept);
}

}  // namespace cairn
