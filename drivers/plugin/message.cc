#include "drivers/plugin/message.h"

#include <charconv>

#include "core/util/error.h"

namespace cairn::plugin {

using go_json::Kind;

[[noreturn]] static void wrong(std::string_view field, std::string_view wanted) {
  throw Error(Errc::corrupt, "'" + std::string(field) + "' is not " + std::string(wanted));
}

Message::Message(std::string text) : text_(std::move(text)), members_(go_json::members(text_)) {}

std::string_view Message::raw(std::string_view field) const {
  const auto* member = go_json::find_field(members_, field);
  return member == nullptr || go_json::kind_of(member->raw) == Kind::null ? std::string_view() : member->raw;
}

std::string_view Message::raw(std::string_view field, Kind wanted) const {
  const std::string_view value = raw(field);
  if (!value.empty() && go_json::kind_of(value) != wanted) wrong(field, go_json::kind_name(wanted));
  return value;
}

std::string Message::text(std::string_view field) const {
  const auto value = raw(field, Kind::string);
  return value.empty() ? "" : go_json::unquote(value);
}

bool Message::flag(std::string_view field) const { return raw(field, Kind::boolean) == "true"; }

int64_t Message::number(std::string_view field) const {
  const auto value = raw(field, Kind::number);
  int64_t out = 0;
  if (value.empty()) return 0;
  const auto [end, failed] = std::from_chars(value.data(), value.data() + value.size(), out);
  if (failed != std::errc() || end != value.data() + value.size()) wrong(field, "an integer of 64 bits");
  return out;
}

std::vector<std::string> Message::texts(std::string_view field) const {
  std::vector<std::string> out;
  const auto value = raw(field, Kind::array);
  if (value.empty()) return out;
  for (const auto element : go_json::elements(value)) {
    if (go_json::kind_of(element) != Kind::string) wrong(field, "an array of strings");
    out.push_back(go_json::unquote(element));
  }
  return out;
}

std::optional<Message> Message::object(std::string_view field) const {
  const auto value = raw(field, Kind::object);
  if (value.empty()) return std::nullopt;
  return std::optional<Message>(std::in_place, std::string(value));
}

bool Message::filled(std::string_view field) const {
  const auto value = raw(field);
  if (value.empty()) return false;
  return go_json::kind_of(value) == Kind::array ? !go_json::elements(value).empty() : !go_json::members(value).empty();
}

std::optional<LayerId> Message::parent() const {
  const std::string id = text("Parent");
  return id.empty() ? std::nullopt : std::optional(LayerId(id));
}

}  // namespace cairn::plugin
