// time.Time as JSON.
#pragma once

#include <string>
#include <string_view>

namespace cairn::go_json {

inline constexpr std::string_view kZeroTime = "0001-01-01T00:00:00Z";

// RFC 3339 as Go writes it again: fraction without trailing zeros, "Z" for no offset. `text` is what stands between the
// quotes; Errc::corrupt if Go could not read it.
std::string rewrite_time(std::string_view text);

}  // namespace cairn::go_json
