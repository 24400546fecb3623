// Long work, as seen on stderr.
#pragma once

#include <memory>
#include <string>

#include "core/interfaces/progress.h"

namespace cairn {

enum class ProgressStyle {
  automatic,  // bars on a terminal, else plain
  plain,      // one line per state change
  none,       // warnings only
};

// Bars are redrawn at most ten times a second and wiped by the destructor.
std::unique_ptr<Progress> make_progress(ProgressStyle style);

// What is drawn, apart from drawing it.
struct Totals {
  uint64_t bytes = 0, bytes_total = 0, items = 0, items_total = 0;
  double seconds = 0;
};
// "[=====>    ]  1.2GB/3.4GB   3/12   210MB/s   ETA 12s", at most `width` columns.
std::string progress_line(const Totals& totals, unsigned width);
std::string clock_time(double seconds);  // "12s", "3m05s", "1h02m"

}  // namespace cairn
