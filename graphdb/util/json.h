// JSON somebody else wrote: bounded before memory is spent, and every complaint of the parser an Error.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace cairn {

// Errc::corrupt "reading 'WHAT': …" for anything Go's decoder refuses, nesting beyond 200 and more than a million values.
// Bytes that are no UTF-8 become U+FFFD, as in Go.
nlohmann::json parse_json(std::string_view text, const std::string& what);
nlohmann::json parse_json_object(std::string_view text, const std::string& what);   // corrupt for any other kind

// Member of an object as Go's decoder finds it: the exact key, else the last that equals it but for case.
const nlohmann::json* json_member(const nlohmann::json& object, std::string_view key);
std::string json_string(const nlohmann::json& object, std::string_view key);        // "" unless a string
// Elements of an array of strings joined by a space; a plain string is an array of one.
std::string json_words(const nlohmann::json& object, std::string_view key);

// `text` as Go's encoding/json writes a string, quotes included (<, >, & escaped).
std::string go_quoted(std::string_view text);

}  // namespace cairn
