#include "core/migrate/host_config.h"

#include "core/json/go_json.h"

namespace cairn {

std::string complete_host_config(const std::optional<std::string>& host_config, const std::vector<std::string>& links) {
  using go_json::Kind, go_json::RawObject, go_json::encode, go_json::kind_of, go_json::object, go_json::quote;
  RawObject fields;
  if (host_config) fields = object(*host_config);
  bool changed = !host_config;
  const auto empty_text = [&](const RawObject& in, const char* key) {
    const auto it = in.find(key);
    return it == in.end() || kind_of(it->second) == Kind::null || it->second == "\"\"";
  };
  if (empty_text(fields, "NetworkMode")) fields["NetworkMode"] = "\"default\"", changed = true;
  const auto log = fields.find("LogConfig");
  if (log == fields.end() || kind_of(log->second) != Kind::object || empty_text(object(log->second), "Type"))
    fields["LogConfig"] = R"({"Type":"json-file","Config":{}})", changed = true;
  const auto known = fields.find("Links");
  if (!links.empty() && (known == fields.end() || kind_of(known->second) == Kind::null)) {
    std::string list;
    for (const auto& link : links) list += (list.empty() ? "" : ",") + quote(link);
    fields["Links"] = "[" + list + "]";
    changed = true;
  }
  return changed ? encode(fields) : *host_config;
}

}  // namespace cairn
