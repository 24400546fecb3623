#include "cli/output/age.h"

#include <fmt/format.h>

#include <array>

namespace cairn {

// Days from 1970-01-01 to a date of the proleptic Gregorian calendar.
static int64_t days_from_epoch(int64_t year, int64_t month, int64_t day) {
  if (month <= 2) --year;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t year_of_era = year - era * 400;
  const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
  return era * 146097 + day_of_era - 719468;
}

namespace {
class Reader {
 public:
  explicit Reader(std::string_view text) : text_(text) {}
  bool number(size_t digits, int64_t low, int64_t high, int64_t& into) {
    if (text_.size() < digits) return false;
    into = 0;
    for (size_t i = 0; i < digits; ++i) {
      if (text_[i] < '0' || text_[i] > '9') return false;
      into = into * 10 + (text_[i] - '0');
    }
    text_.remove_prefix(digits);
    return into >= low && into <= high;
  }
  bool one_of(std::string_view allowed, char& found) {
    if (text_.empty() || allowed.find(text_[0]) == std::string_view::npos) return false;
    found = text_[0];
    text_.remove_prefix(1);
    return true;
  }
  bool skip(std::string_view allowed) {
    char ignored;
    return one_of(allowed, ignored);
  }
  bool fraction(uint32_t& nanoseconds) {
    if (!skip(".")) return true;
    uint32_t unit = 100'000'000;
    size_t digits = 0;
    for (; !text_.empty() && text_[0] >= '0' && text_[0] <= '9'; text_.remove_prefix(1), ++digits, unit /= 10)
      nanoseconds += unit * static_cast<uint32_t>(text_[0] - '0');
    return digits > 0;
  }
  bool offset(int64_t& seconds) {
    char sign;
    if (!one_of("Zz+-", sign)) return false;
    if (sign == 'Z' || sign == 'z') return text_.empty();
    int64_t hours, minutes;
    if (!number(2, 0, 23, hours) || !skip(":") || !number(2, 0, 59, minutes) || !text_.empty()) return false;
    seconds = (hours * 60 + minutes) * (sign == '-' ? -60 : 60);
    return true;
  }

 private:
  std::string_view text_;
};
}  // namespace

std::optional<Instant> parse_time(std::string_view rfc3339) noexcept {
  Reader in(rfc3339);
  int64_t year, month, day, hour, minute, second, offset = 0;
  Instant out;
  const bool good = in.number(4, 0, 9999, year) && in.skip("-") && in.number(2, 1, 12, month) && in.skip("-") &&
                    in.number(2, 1, 31, day) && in.skip("Tt ") && in.number(2, 0, 23, hour) && in.skip(":") &&
                    in.number(2, 0, 59, minute) && in.skip(":") && in.number(2, 0, 60, second) &&
                    in.fraction(out.nanoseconds) && in.offset(offset);
  if (!good) return std::nullopt;
  out.seconds = days_from_epoch(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - offset;
  static const int64_t zero_time = days_from_epoch(1, 1, 1) * 86400;
  if (out.seconds == zero_time && out.nanoseconds == 0) return std::nullopt;
  return out;
}

std::string human_duration(int64_t seconds) {
  if (seconds < 1) return "Less than a second";
  if (seconds == 1) return "1 second";
  if (seconds < 60) return fmt::format("{} seconds", seconds);
  const int64_t minutes = seconds / 60;
  if (minutes == 1) return "About a minute";
  if (minutes < 60) return fmt::format("{} minutes", minutes);
  const int64_t hours = (seconds + 1800) / 3600;
  if (hours == 1) return "About an hour";
  if (hours < 48) return fmt::format("{} hours", hours);
  const int64_t days = hours / 24;
  if (days < 14) return fmt::format("{} days", days);
  if (days < 60) return fmt::format("{} weeks", days / 7);
  if (days < 730) return fmt::format("{} months", days / 30);
  return fmt::format("{} years", days / 365);
}

std::string age(std::string_view rfc3339, std::time_t now) {
  const auto then = parse_time(rfc3339);
  return then ? human_duration(now - then->seconds) + " ago" : "N/A";
}

static std::string in_local_zone(std::string_view rfc3339, const char* pattern, bool colon_in_offset) {
  const auto then = parse_time(rfc3339);
  const std::time_t seconds = then ? static_cast<std::time_t>(then->seconds) : 0;
  std::tm broken_down;
  if (!then || ::localtime_r(&seconds, &broken_down) == nullptr) return std::string(rfc3339);
  std::array<char, 80> buffer;
  std::string out(buffer.data(), std::strftime(buffer.data(), buffer.size(), pattern, &broken_down));
  if (colon_in_offset) {
    if (broken_down.tm_gmtoff == 0) return out.substr(0, out.size() - 5) + "Z";
    out.insert(out.size() - 2, ":");
  }
  return out;
}

std::string local_time(std::string_view rfc3339) { return in_local_zone(rfc3339, "%Y-%m-%d %H:%M:%S %z %Z", false); }
std::string local_rfc3339(std::string_view rfc3339) { return in_local_zone(rfc3339, "%Y-%m-%dT%H:%M:%S%z", true); }

static std::string broken_down(std::time_t time, const char* pattern, decltype(::localtime_r)* zone) {
  std::tm parts;
  if (zone(&time, &parts) == nullptr) return std::to_string(time);  // beyond any year that fits
  std::array<char, 80> buffer;
  return std::string(buffer.data(), std::strftime(buffer.data(), buffer.size(), pattern, &parts));
}

std::string local_minute(std::time_t time) { return broken_down(time, "%Y-%m-%d %H:%M", ::localtime_r); }

std::string utc_rfc3339(const timespec& time) {
  return fmt::format("{}.{:09}Z", broken_down(time.tv_sec, "%Y-%m-%dT%H:%M:%S", ::gmtime_r), time.tv_nsec);
}

}  // namespace cairn
