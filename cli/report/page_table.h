// Tables of a report.
#pragma once

#include <string>
#include <vector>

namespace cairn {

struct Cell {
  std::string html;        // escaped already
  const char* style = "";  // a class of the page's style
};

// Long ones fold, and what nobody would read to its end is cut: the JSON report has all.
class PageTable {
 public:
  explicit PageTable(const std::vector<Cell>& heads);
  void add(const std::vector<Cell>& cells);
  bool empty() const { return rows_ == 0; }
  std::string text() const;

 private:
  std::string head_, body_;
  size_t rows_ = 0;
};

}  // namespace cairn
