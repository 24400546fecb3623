#include "core/json/go_struct.h"

#include <charconv>

#include "core/util/error.h"

namespace cairn::go_json {

[[noreturn]] static void mismatch(std::string_view raw, std::string_view wanted) {
  throw Error(Errc::corrupt, "reading JSON: " + std::string(wanted) + " expected, found " +
                                 std::string(kind_name(kind_of(raw))) + " (" + printable(raw, 40) + ")");
}

static bool is_null(std::string_view raw) { return kind_of(raw) == Kind::null; }

void decode(std::string_view raw, std::string& into) {
  if (is_null(raw)) return;
  if (kind_of(raw) != Kind::string) mismatch(raw, "a string");
  into = unquote(raw);
}

void decode(std::string_view raw, bool& into) {
  if (is_null(raw)) return;
  if (kind_of(raw) != Kind::boolean) mismatch(raw, "a boolean");
  into = raw == "true";
}

void decode(std::string_view raw, int64_t& into) {
  if (is_null(raw)) return;
  const auto [stop, error] = std::from_chars(raw.data(), raw.data() + raw.size(), into);
  if (error != std::errc() || stop != raw.data() + raw.size()) mismatch(raw, "a 64-bit integer");
}

void decode(std::string_view raw, std::optional<int64_t>& into) {
  if (is_null(raw)) return into.reset();
  decode(raw, into.emplace());
}

void decode(std::string_view raw, Strings& into) {
  if (is_null(raw)) return into.reset();
  if (kind_of(raw) != Kind::array) mismatch(raw, "an array");
  std::vector<std::string> list;
  for (const auto element : elements(raw)) decode(element, list.emplace_back());
  into = std::move(list);
}

void decode(std::string_view raw, StringSet& into) {
  if (is_null(raw)) return into.reset();
  if (kind_of(raw) != Kind::object) mismatch(raw, "an object");
  if (!into) into.emplace();
  for (const auto& member : members(raw)) {
    if (!is_null(member.raw) && kind_of(member.raw) != Kind::object) mismatch(member.raw, "an object");
    into->insert(member.key);
  }
}

void decode(std::string_view raw, StringMap& into) {
  if (is_null(raw)) return into.reset();
  if (kind_of(raw) != Kind::object) mismatch(raw, "an object");
  if (!into) into.emplace();
  for (const auto& member : members(raw)) {
    std::string value;
    decode(member.raw, value);
    into->insert_or_assign(member.key, std::move(value));
  }
}

void decode(std::string_view raw, OneOrMore& into) {
  if (kind_of(raw) == Kind::string) {
    into.value = {{unquote(raw)}};
  } else {
    decode(raw, into.value);
  }
}

// Go reads the literal itself, so that no escape may stand in it. Engines from 17.06 on skip null; before, it was an
// error.
void decode(std::string_view raw, Time& into) {
  if (is_null(raw)) return;
  if (kind_of(raw) != Kind::string) mismatch(raw, "a time");
  into.text = rewrite_time(raw.substr(1, raw.size() - 2));
}

std::string encode(const std::string& value) { return quote(value); }
std::string encode(bool value) { return value ? "true" : "false"; }
std::string encode(int64_t value) { return std::to_string(value); }
std::string encode(const std::optional<int64_t>& value) { return value ? encode(*value) : "null"; }
std::string encode(const OneOrMore& value) { return encode(value.value); }
std::string encode(const Time& value) { return quote(value.text); }

std::string encode(const Strings& value) {
  if (!value) return "null";
  std::string out = "[";
  for (const auto& element : *value) out += (out.size() > 1 ? "," : "") + quote(element);
  return out + ']';
}

std::string encode(const StringSet& value) {
  if (!value) return "null";
  RawObject object;
  for (const auto& key : *value) object[key] = "{}";
  return encode(object);
}

std::string encode(const StringMap& value) {
  if (!value) return "null";
  RawObject object;
  for (const auto& [key, text] : *value) object[key] = quote(text);
  return encode(object);
}

}  // namespace cairn::go_json
