#include "core/json/go_time.h"

#include <algorithm>
#include <array>
#include <ctime>

#include "core/util/error.h"

namespace cairn::go_json {

[[noreturn]] static void refuse(std::string_view text) {
  throw Error(Errc::corrupt,
              "reading the time '" + printable(text, 80) + "': not of the form 2006-01-02T15:04:05.9+07:00");
}

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

// "0000-00-00T00:00:00" with any digits, in range.
static bool is_clock(std::string_view text) {
  constexpr std::string_view form = "0000-00-00T00:00:00";
  for (size_t i = 0; i < form.size(); ++i)
    if (form[i] == '0' ? !is_digit(text[i]) : text[i] != form[i]) return false;
  const auto number = [&](size_t at, size_t length) {
    int value = 0;
    for (char c : text.substr(at, length)) value = value * 10 + (c - '0');
    return value;
  };
  const int year = number(0, 4), month = number(5, 2), day = number(8, 2);
  const bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
  constexpr int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  return month >= 1 && month <= 12 && day >= 1 && day <= days[month - 1] + (leap && month == 2 ? 1 : 0) &&
         number(11, 2) < 24 && number(14, 2) < 60 && number(17, 2) < 60;
}

// "Z" or "+07:00".
static std::string zone(std::string_view text, std::string_view whole) {
  if (text == "Z") return "Z";
  if (text.size() != 6 || (text[0] != '+' && text[0] != '-') || text[3] != ':') refuse(whole);
  for (size_t i : {1u, 2u, 4u, 5u})
    if (!is_digit(text[i])) refuse(whole);
  if (text.substr(1, 2) > "24" || text.substr(4, 2) > "59") refuse(whole);
  return text.substr(1) == "00:00" ? "Z" : std::string(text);
}

std::string rewrite_time(std::string_view text) {
  constexpr size_t clock = 19;
  if (text.size() < clock || !is_clock(text.substr(0, clock))) refuse(text);
  std::string_view rest = text.substr(clock), fraction;
  if (!rest.empty() && rest[0] == '.') {
    const size_t stop = std::min(rest.find_first_not_of("0123456789", 1), rest.size());
    if (stop == 1) refuse(text);
    fraction = rest.substr(0, std::min<size_t>(stop, 10));  // nanoseconds
    fraction = fraction.substr(0, fraction.find_last_not_of("0.") + 1);
    rest = rest.substr(stop);
  }
  return std::string(text.substr(0, clock)) + std::string(fraction) + zone(rest, text);
}

std::string write_time(const timespec& time, Zone zone) {
  std::tm parts{};
  zone == Zone::local ? ::localtime_r(&time.tv_sec, &parts) : ::gmtime_r(&time.tv_sec, &parts);
  std::array<char, 40> clock, offset;
  std::strftime(clock.data(), clock.size(), "%Y-%m-%dT%H:%M:%S", &parts);
  const size_t length = std::strftime(offset.data(), offset.size(), "%z", &parts);  // "+0100"
  const std::string digits = std::to_string(1'000'000'000 + time.tv_nsec).substr(1);
  return rewrite_time(std::string(clock.data()) + "." + digits + std::string(offset.data(), length - 2) + ":" +
                      std::string(offset.data() + length - 2, 2));
}

int64_t seconds_of(std::string_view text) {
  const std::string time = rewrite_time(text);
  const auto number = [&](size_t at, size_t length) { return std::stoi(time.substr(at, length)); };
  std::tm fields{};
  fields.tm_year = number(0, 4) - 1900;
  fields.tm_mon = number(5, 2) - 1;
  fields.tm_mday = number(8, 2);
  fields.tm_hour = number(11, 2);
  fields.tm_min = number(14, 2);
  fields.tm_sec = number(17, 2);
  int64_t offset = 0;
  if (const size_t zone = time.size() - 6; time.back() != 'Z')
    offset = (number(zone + 1, 2) * 60 + number(zone + 4, 2)) * (time[zone] == '-' ? -60 : 60);
  return ::timegm(&fields) - offset;
}

}  // namespace cairn::go_json
