#include "cli/output/table.h"

#include <algorithm>

#include "core/util/ids.h"

namespace cairn {

static bool starts_code_point(char c) { return (static_cast<unsigned char>(c) & 0xc0) != 0x80; }

size_t display_width(std::string_view utf8) {
  return static_cast<size_t>(std::count_if(utf8.begin(), utf8.end(), starts_code_point));
}

std::string ellipsis(const std::string& utf8, size_t width) {
  if (display_width(utf8) <= width) return utf8;
  if (width == 0) return "";
  size_t kept = 0, end = 0;
  for (; end < utf8.size(); ++end)
    if (starts_code_point(utf8[end]) && kept++ == width - 1) break;
  return utf8.substr(0, end) + "…";
}

std::string short_id(std::string_view id) {
  static constexpr std::string_view algorithm = "sha256:";
  const std::string_view hex = id.starts_with(algorithm) ? id.substr(algorithm.size()) : id;
  return std::string(is_hex64(hex) ? hex.substr(0, 12) : id);
}

std::string format_table(const std::vector<Row>& rows) {
  std::vector<size_t> widths;
  for (const auto& row : rows) {
    widths.resize(std::max(widths.size(), row.size()));
    for (size_t i = 0; i < row.size(); ++i) widths[i] = std::max(widths[i], display_width(row[i]));
  }
  std::string out;
  for (const auto& row : rows) {
    for (size_t i = 0; i < row.size(); ++i) {
      out += row[i];
      if (i + 1 < row.size()) out.append(widths[i] + 3 - display_width(row[i]), ' ');
    }
    out.erase(out.find_last_not_of(' ') + 1);
    out += '\n';
  }
  return out;
}

}  // namespace cairn
