// time.Time as JSON.
#pragma once

#include <cstdint>
#include <ctime>
#include <string>
#include <string_view>

namespace cairn::go_json {

inline constexpr std::string_view kZeroTime = "0001-01-01T00:00:00Z";

// RFC 3339 as Go writes it again: fraction without trailing zeros, "Z" for no offset. `text` is what stands between the
// quotes; Errc::corrupt if Go could not read it.
std::string rewrite_time(std::string_view text);

// The same of a moment: "2024-01-02T03:04:05.6Z". Local time is that of $TZ, as everywhere.
enum class Zone { utc, local };
std::string write_time(const timespec& time, Zone zone = Zone::utc);

// Since 1970, UTC, the fraction cut; negative before. Errc::corrupt as rewrite_time().
int64_t seconds_of(std::string_view text);

}  // namespace cairn::go_json
