#include "graphdb/util/json.h"

#include "core/util/error.h"
#include "graphdb/util/files.h"

namespace cairn {

using go_json::Kind;

static bool is_a(Kind kind, std::string_view raw) { return !raw.empty() && go_json::kind_of(raw) == kind; }
bool is_json_string(std::string_view raw) noexcept { return is_a(Kind::string, raw); }

JsonObject::JsonObject(std::string_view text, const std::string& what) {
  const auto doing = [&] { return "reading '" + printable(what) + "'"; };
  if (trimmed(text).empty()) throw Error(Errc::corrupt, doing() + ": the file is empty");
  members_ = while_doing(doing, [&] { return go_json::members(text); });
}

std::string_view JsonObject::raw(std::string_view field) const {
  const auto* member = go_json::find_field(members_, field);
  return member != nullptr ? member->raw : std::string_view();
}

bool JsonObject::has(std::string_view field) const {
  const auto value = raw(field);
  return !value.empty() && !is_a(Kind::null, value);
}

std::string JsonObject::string(std::string_view field) const {
  const auto value = raw(field);
  return is_json_string(value) ? go_json::unquote(value) : "";
}

bool JsonObject::flag(std::string_view field) const { return raw(field) == "true"; }

int64_t JsonObject::number(std::string_view field) const { return parse_int64(raw(field)).value_or(0); }

std::string JsonObject::words(std::string_view field) const {
  std::string out = string(field);
  for (const auto word : elements(field))
    if (is_json_string(word)) out += (out.empty() ? "" : " ") + go_json::unquote(word);
  return out;
}

std::optional<JsonObject> JsonObject::object(std::string_view field) const {
  const auto value = raw(field);
  return is_a(Kind::object, value) ? std::optional(JsonObject(value, std::string(field))) : std::nullopt;
}

std::vector<std::string_view> JsonObject::elements(std::string_view field) const {
  const auto value = raw(field);
  return is_a(Kind::array, value) ? go_json::elements(value) : std::vector<std::string_view>();
}

}  // namespace cairn
