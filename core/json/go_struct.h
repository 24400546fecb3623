// Structs as Go's encoding/json reads and writes them. A struct names its fields once, in Go's order:
//   template <typename Self, typename Visit> static void fields(Self& self, Visit&& visit) {
//     visit("Hostname", self.hostname, Omit::never); ... }
// Reading follows Go: keys match whatever their case, later ones overwrite, null leaves a scalar and clears a pointer,
// slice or map, unknown keys are skipped, another type than the field's throws Errc::corrupt.
#pragma once

#include <concepts>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "core/json/go_json.h"
#include "core/json/go_time.h"

namespace cairn::go_json {

enum class Omit { never, empty };

using Strings = std::optional<std::vector<std::string>>;              // []string; nothing is nil
using StringSet = std::optional<std::set<std::string>>;               // map[string]struct{}
using StringMap = std::optional<std::map<std::string, std::string>>;  // map[string]string
struct OneOrMore {
  Strings value;
};  // a list that may be written as a single string
struct Time {
  std::string text{kZeroTime};
};

void decode(std::string_view raw, std::string& into);
void decode(std::string_view raw, bool& into);
void decode(std::string_view raw, int64_t& into);
void decode(std::string_view raw, std::optional<int64_t>& into);  // a pointer to a number
void decode(std::string_view raw, Strings& into);
void decode(std::string_view raw, StringSet& into);
void decode(std::string_view raw, StringMap& into);
void decode(std::string_view raw, OneOrMore& into);
void decode(std::string_view raw, Time& into);

std::string encode(const std::string& value);
std::string encode(bool value);
std::string encode(int64_t value);
std::string encode(const std::optional<int64_t>& value);
std::string encode(const Strings& value);
std::string encode(const StringSet& value);
std::string encode(const StringMap& value);
std::string encode(const OneOrMore& value);
std::string encode(const Time& value);

template <typename T>
concept Struct = requires(T& value) {
  T::fields(value, [](std::string_view, auto&, Omit) {});
};

template <Struct T>
void decode(std::string_view raw, std::optional<T>& into);  // a pointer to a struct
template <Struct T>
void decode(std::string_view raw, std::vector<T>& into);
template <Struct T>
std::string encode(const T& value);
template <Struct T>
std::string encode(const std::optional<T>& value) {
  return value ? encode(*value) : "null";
}

template <Struct T>
void decode(std::string_view raw, T& into) {
  if (kind_of(raw) == Kind::null) return;
  for (const Member& member : members(raw)) {
    T::fields(into, [&](std::string_view name, auto& field, Omit) {
      if (key_matches(member.key, name)) decode(member.raw, field);
    });
  }
}
template <Struct T>
void decode(std::string_view raw, std::optional<T>& into) {
  if (kind_of(raw) == Kind::null) return into.reset();
  if (!into) into.emplace();
  decode(raw, *into);
}

template <Struct T>
void decode(std::string_view raw, std::vector<T>& into) {  // null leaves it empty
  into.clear();
  if (kind_of(raw) == Kind::null) return;
  for (const auto element : elements(raw)) decode(element, into.emplace_back());
}

template <typename T>
bool is_empty(const T& value) {
  if constexpr (Struct<T> || std::same_as<T, Time>)
    return false;
  else if constexpr (requires { value->empty(); })
    return !value || value->empty();
  else if constexpr (requires { value.empty(); })
    return value.empty();
  else if constexpr (requires { value.value; })
    return is_empty(value.value);
  else
    return !value;
}

// The fields in Go's order, without those that are empty and may be omitted.
template <Struct T>
std::vector<std::pair<std::string_view, std::string>> encode_fields(const T& value) {
  std::vector<std::pair<std::string_view, std::string>> out;
  T::fields(value, [&](std::string_view name, const auto& field, Omit omit) {
    if (omit == Omit::never || !is_empty(field)) out.emplace_back(name, encode(field));
  });
  return out;
}
template <Struct T>
std::string encode(const T& value) {
  std::string out = "{";
  for (const auto& [name, raw] : encode_fields(value)) out += (out.size() > 1 ? "," : "") + quote(name) + ':' + raw;
  return out + '}';
}

// A whole document into a struct.
template <Struct T>
T read_struct(std::string_view text) {
  check(text);
  text.remove_prefix(text.find_first_not_of(" \t\r\n"));
  T out;
  decode(text, out);
  return out;
}

}  // namespace cairn::go_json
