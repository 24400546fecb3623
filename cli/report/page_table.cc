#include "cli/report/page_table.h"

#include <fmt/format.h>

namespace cairn {

static constexpr size_t kMostRows = 2000, kRowsUnfolded = 25;

static std::string row_of(const std::vector<Cell>& cells, const char* tag) {
  std::string out = "<tr>";
  for (const auto& cell : cells)
    out +=
        fmt::format("<{0}{1}>{2}</{0}>", tag, *cell.style ? fmt::format(" class=\"{}\"", cell.style) : "", cell.html);
  return out + "</tr>\n";
}

PageTable::PageTable(const std::vector<Cell>& heads) : head_(row_of(heads, "th")) {}

void PageTable::add(const std::vector<Cell>& cells) {
  if (++rows_ <= kMostRows) body_ += row_of(cells, "td");
}

std::string PageTable::text() const {
  std::string out = "<table>" + head_ + body_ + "</table>\n";
  if (rows_ > kMostRows)
    out += fmt::format("<p class=\"quiet\">{} more; the JSON report has all.</p>\n", rows_ - kMostRows);
  return rows_ <= kRowsUnfolded ? out : fmt::format("<details><summary>All {}</summary>\n{}</details>\n", rows_, out);
}

}  // namespace cairn
