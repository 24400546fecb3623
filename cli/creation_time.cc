#include "cli/creation_time.h"

#include <charconv>
#include <cstdlib>
#include <ctime>

#include "cli/exit.h"
#include "core/json/go_time.h"

namespace cairn {

std::string creation_time() {
  timespec now;
  ::clock_gettime(CLOCK_REALTIME, &now);
  if (const char* given = std::getenv("SOURCE_DATE_EPOCH"); given != nullptr && *given != '\0') {
    static constexpr int64_t kLast = 253402300799;  // of the year 9999
    const std::string_view text(given);
    int64_t seconds = -1;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), seconds);
    if (error != std::errc() || end != text.data() + text.size() || seconds < 0 || seconds > kLast)
      throw UserError(Errc::invalid, "reading $SOURCE_DATE_EPOCH '" + printable(text, 80) +
                                         "': it is no number of seconds since 1970");
    now = {seconds, 0};
  }
  return go_json::write_time(now);
}

}  // namespace cairn
