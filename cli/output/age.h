// Times as engines write them (RFC 3339) and as people read them ("2 weeks ago").
#pragma once

#include <cstdint>
#include <ctime>
#include <optional>
#include <string>
#include <string_view>

namespace cairn {

struct Instant {
  int64_t seconds = 0;  // since 1970, UTC; may be negative
  uint32_t nanoseconds = 0;
  auto operator<=>(const Instant&) const = default;
};

// nullopt for anything else, and for the zero time 0001-01-01T00:00:00Z, which engines write for "unknown".
std::optional<Instant> parse_time(std::string_view rfc3339) noexcept;

std::string human_duration(int64_t seconds);                 // "About an hour", "2 weeks"
std::string age(std::string_view rfc3339, std::time_t now);  // "2 weeks ago", "N/A" when unknown
std::string local_time(std::string_view rfc3339);            // "2024-01-02 03:04:05 +0000 UTC", or the text as it is
std::string local_rfc3339(std::string_view rfc3339);         // "2024-01-02T03:04:05Z", or the text as it is
std::string local_minute(std::time_t time);                  // "2024-01-02 03:04"
std::string utc_rfc3339(const timespec& time);               // "2024-01-02T03:04:05.000000006Z"

}  // namespace cairn
