#include "core/image/instruction_line.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "core/json/go_json.h"
#include "core/util/ascii.h"
#include "core/util/error.h"

namespace cairn {

std::string_view without_blanks_around(std::string_view text) {
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  return text;
}

std::vector<std::string> blank_separated(std::string_view text) {
  std::vector<std::string> out;
  for (text = without_blanks_around(text); !text.empty(); text = without_blanks_around(text)) {
    const auto end = std::find_if(text.begin(), text.end(), is_blank);
    out.emplace_back(text.begin(), end);
    text.remove_prefix(out.back().size());
  }
  return out;
}

// Words in front that begin with "--", up to "--" alone; `rest` is what follows.
static std::vector<std::pair<std::string, std::string>> take_flags(std::string_view& rest) {
  std::vector<std::pair<std::string, std::string>> out;
  while (rest.starts_with("--")) {
    const auto end = static_cast<size_t>(std::find_if(rest.begin(), rest.end(), is_blank) - rest.begin());
    const std::string word(rest.substr(2, end - 2));
    rest = without_blanks_around(rest.substr(end));
    if (word.empty()) break;
    const size_t equals = word.find('=');
    out.emplace_back(word.substr(0, equals), equals == std::string::npos ? "true" : word.substr(equals + 1));
  }
  return out;
}

static InstructionLine instruction_of(std::string_view text) {
  InstructionLine out;
  out.text = without_blanks_around(text);
  std::string_view rest = out.text;
  const auto end = static_cast<size_t>(std::find_if(rest.begin(), rest.end(), is_blank) - rest.begin());
  out.name = upper_case(rest.substr(0, end));
  rest = without_blanks_around(rest.substr(end));
  out.flags = take_flags(rest);
  out.rest = rest;
  return out;
}

// Cuts "\" and blanks after it off the end; whether they were there.
static bool take_continuation(std::string_view& line) {
  std::string_view end = line;
  while (!end.empty() && (end.back() == ' ' || end.back() == '\t')) end.remove_suffix(1);
  if (!end.ends_with('\\')) return false;
  line = end.substr(0, end.size() - 1);
  return true;
}

std::vector<InstructionLine> read_instructions(std::string_view text) {
  std::vector<InstructionLine> out;
  std::string joined;
  bool continued = false;
  for (size_t from = 0; from <= text.size();) {
    const size_t end = std::min(text.find('\n', from), text.size());
    std::string_view line = text.substr(from, end - from);
    from = end + 1;
    const auto bare = without_blanks_around(line);
    if (bare.starts_with('#') || bare.empty()) continue;
    if (!continued) line = line.substr(static_cast<size_t>(bare.data() - line.data()));
    continued = take_continuation(line);
    joined += line;
    if (continued) continue;
    out.push_back(instruction_of(joined));
    joined.clear();
  }
  if (continued && !without_blanks_around(joined).empty()) out.push_back(instruction_of(joined));
  return out;
}

// The first JSON value in `text`, an array; what follows is not looked at.
static std::string_view first_array(std::string_view text) {
  size_t depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    if (quoted) {
      if (c == '\\') ++i;
      if (c == '"') quoted = false;
    } else if (c == '"') {
      quoted = true;
    } else if (c == '[') {
      ++depth;
    } else if (c == ']' && --depth == 0) {
      return text.substr(0, i + 1);
    }
  }
  return text;
}

std::optional<std::vector<std::string>> json_words(std::string_view rest) {
  rest = without_blanks_around(rest);
  if (!rest.starts_with('[')) return std::nullopt;
  const std::string_view array = first_array(rest);
  try {
    go_json::check(array);
  } catch (const Error&) {
    return std::nullopt;  // then it is for a shell
  }
  std::vector<std::string> out;
  for (const auto raw : go_json::elements(array)) {
    if (go_json::kind_of(raw) != go_json::Kind::string)
      throw Error(Errc::invalid, "arrays in JSON syntax must consist of strings only");
    out.push_back(go_json::unquote(raw));
  }
  return out;
}

int64_t parse_duration(std::string_view text) {
  static constexpr std::array<std::pair<std::string_view, double>, 8> units{{{"ns", 1},
                                                                             {"us", 1e3},
                                                                             {"\u00b5s", 1e3},
                                                                             {"\u03bcs", 1e3},
                                                                             {"ms", 1e6},
                                                                             {"s", 1e9},
                                                                             {"m", 60e9},
                                                                             {"h", 3600e9}}};
  const auto refuse = [&]() -> double {
    throw Error(Errc::invalid, "'" + printable(text, 40) + "' is no duration, such as 1m30s");
  };
  if (text == "0") return 0;
  double sum = 0;
  std::string_view rest = text;
  if (rest.empty()) refuse();
  while (!rest.empty()) {
    const size_t digits = std::min(rest.find_first_not_of("0123456789."), rest.size());
    const std::string number(rest.substr(0, digits));
    if (number.find_first_of("0123456789") == std::string::npos || std::count(number.begin(), number.end(), '.') > 1 ||
        number.size() > 18)
      refuse();
    rest.remove_prefix(digits);
    const size_t letters = std::min(rest.find_first_of("0123456789."), rest.size());
    const auto* unit =
        std::find_if(units.begin(), units.end(), [&](const auto& one) { return one.first == rest.substr(0, letters); });
    sum += std::stod(number) * (unit == units.end() ? refuse() : unit->second);
    rest.remove_prefix(letters);
  }
  if (sum > 9.2e18) refuse();
  return std::llround(sum);
}

}  // namespace cairn
