#include "cli/report/html.h"

#include <fmt/format.h>

#include <vector>

#include "cli/output/table.h"
#include "core/util/error.h"

namespace cairn {

// U+200E, U+200F, U+202A to U+202E and U+2066 to U+2069, of which each is three bytes: 0 if none starts at `at`.
static unsigned reordering(std::string_view text, size_t at) {
  if (at + 2 >= text.size() || text[at] != '\xe2') return 0;
  const auto second = static_cast<unsigned char>(text[at + 1]), third = static_cast<unsigned char>(text[at + 2]);
  const unsigned point = 0x2000u + (second - 0x80u) * 64 + (third - 0x80u);
  const bool reorders = point == 0x200e || point == 0x200f || (point >= 0x202a && point <= 0x202e) ||
                        (point >= 0x2066 && point <= 0x2069);
  return reorders ? point : 0;
}

std::string html(std::string_view text, size_t limit) {
  const std::string plain = printable(text, limit);
  std::string out;
  for (size_t i = 0; i < plain.size(); ++i) {
    if (const unsigned point = reordering(plain, i)) {
      out += fmt::format("\\u{:04x}", point);
      i += 2;
      continue;
    }
    switch (plain[i]) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += plain[i];
    }
  }
  return out;
}

std::string shortened(const std::string& utf8, size_t width) {
  if (display_width(utf8) <= width) return utf8;
  if (width == 0) return "";
  std::vector<size_t> starts;
  for (size_t i = 0; i < utf8.size(); ++i)
    if ((static_cast<unsigned char>(utf8[i]) & 0xc0) != 0x80) starts.push_back(i);
  starts.push_back(utf8.size());
  const size_t kept = width - 1, front = kept / 2;
  return utf8.substr(0, starts[front]) + "…" + utf8.substr(starts[starts.size() - 1 - (kept - front)]);
}

}  // namespace cairn
