#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace cairn::go_json {

// Of JSON text that was cut off, or overwritten from some byte on: what ends with a member's whole value, closed by the
// brackets it lacks. Members whose value is a string, an object or an array are kept, others end it. nullopt where not
// even an object begins.
std::optional<std::string> closed_prefix(std::string_view text);

}  // namespace cairn::go_json
