// Long work, as seen on stderr.
#pragma once

#include <chrono>
#include <memory>
#include <string>

#include "core/interfaces/progress.h"

namespace cairn {

enum class ProgressStyle {
  automatic,  // bars on a terminal, else plain
  plain,      // one line per state change, and one of the whole now and then
  none,       // warnings only
};

// Bars are redrawn at most ten times a second and wiped by the destructor. `now_and_then`: between plain lines of the
// whole.
std::unique_ptr<Progress> make_progress(ProgressStyle style,
                                        std::chrono::milliseconds now_and_then = std::chrono::seconds(10));

bool draws_bars(ProgressStyle style);  // automatic, and stderr is a terminal that can

// What is drawn, apart from drawing it.
struct Totals {
  uint64_t bytes = 0, bytes_total = 0, items = 0, items_total = 0;
  double seconds = 0;
  uint64_t files = 0;
};
// "[=====>    ]  1.2GB/3.4GB   3/12   512 files   210MB/s   ETA 12s", at most `width` columns.
std::string progress_line(const Totals& totals, unsigned width);
// "layer 1a2b3c4d5e6f: hashing   12MB/40MB   95 files   85MB/s   ETA 1s": what one worker does.
std::string worker_line(const std::string& item, const std::string& state, const Totals& totals, unsigned width);
std::string progress_bar(double share, size_t width);  // "[====>   ]", two columns wider than `width`
std::string clock_time(double seconds);                // "12s", "3m05s", "1h02m"

}  // namespace cairn
