#include "drivers/sys/size.h"

#include <cctype>
#include <charconv>

#include "core/util/error.h"

namespace cairn {

uint64_t parse_size(const std::string& text) {
  const auto refuse = [&] { return Error(Errc::invalid, "reading the size '" + printable(text, 40) + "': say 10G"); };
  double number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  std::string unit(end, text.data() + text.size());
  for (auto& c : unit) c = static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  while (unit.starts_with(' ')) unit.erase(0, 1);
  if (unit.ends_with('b')) unit.pop_back();
  if (unit.ends_with('i')) unit.pop_back();
  static const std::string kUnits = "kmgtp";
  if (error != std::errc() || number < 0 || unit.size() > 1) throw refuse();
  size_t power = 0;
  if (!unit.empty()) {
    power = kUnits.find(unit);
    if (power == std::string::npos) throw refuse();
    ++power;
  }
  const double bytes = number * static_cast<double>(uint64_t{1} << (10 * power));
  if (bytes >= 9e18) throw refuse();
  return static_cast<uint64_t>(bytes);
}

}  // namespace cairn
