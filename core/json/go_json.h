// JSON as Go's encoding/json reads and writes it, on raw bytes (formats: migration-v1, 8.4). Engines hash and keep the
// bytes of JSON, so values that are not understood are carried verbatim. Text that Go's decoder would refuse throws
// Errc::corrupt with the byte offset; nesting is bounded like Go's and costs no stack.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace cairn::go_json {

enum class Kind { null, boolean, number, string, array, object };

// Of a valid value, by its first byte.
Kind kind_of(std::string_view raw) noexcept;
std::string_view kind_name(Kind kind) noexcept;

// One value with white space around it, and nothing else.
void check(std::string_view text);

// The members of an object in the order written, duplicates included. `raw` lies in `text`.
struct Member {
  std::string key;       // decoded
  std::string_view raw;  // the value's exact bytes
};
std::vector<Member> members(std::string_view text);
std::vector<std::string_view> elements(std::string_view text);

// map[string]json.RawMessage: exact keys, the last duplicate wins.
using RawObject = std::map<std::string, std::string, std::less<>>;
RawObject object(std::string_view text);

// Whether a struct field of this name takes this key: letter case is ignored, by Unicode's simple folding.
bool key_matches(std::string_view key, std::string_view field);
// The value a struct field of this name ends up with: the last member that matches. nullptr if there is none.
const Member* find_field(const std::vector<Member>& members, std::string_view field);

// "\u00f6", "\/" and the like resolved; what is no UTF-8 and unpaired surrogates become U+FFFD.
std::string unquote(std::string_view raw);

// Output, HTML characters escaped.
std::string quote(std::string_view text);     // bytes that are no UTF-8 become \ufffd
std::string compact(std::string_view raw);    // without white space; spelling of numbers and escapes kept
std::string encode(const RawObject& object);  // keys sorted bytewise, values compacted

}  // namespace cairn::go_json
