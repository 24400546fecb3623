// Columns for people: no lines, no colour, three spaces between columns.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace cairn {

using Row = std::vector<std::string>;

// Cells padded to the widest of their column; the last cell of a row is not padded. Rows may differ in length. Cells
// are expected to hold no control bytes (see printable()).
std::string format_table(const std::vector<Row>& rows);

size_t display_width(std::string_view utf8);                  // code points
std::string ellipsis(const std::string& utf8, size_t width);  // at most `width` code points, the last one "…" if cut

// 12 digits of "sha256:<64>" or a v1 id; anything else (a path, "<none>") as it is.
std::string short_id(std::string_view id);

}  // namespace cairn
