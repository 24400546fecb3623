#include "cli/output/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <mutex>
#include <optional>
#include <string_view>
#include <utility>

#include "cli/output/counted_progress.h"
#include "cli/output/size.h"
#include "cli/output/table.h"
#include "cli/output/terminal.h"
#include "cli/output/ticker.h"
#include "core/util/error.h"

namespace cairn {

std::string clock_time(double seconds) {
  const auto whole = static_cast<uint64_t>(std::clamp(seconds, 0.0, 360000.0) + 0.5);
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}h{:02}m", whole / 3600, whole % 3600 / 60);
}

std::string progress_bar(double share, size_t width) {
  const auto filled = static_cast<size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(width));
  std::string out(filled, '=');
  if (filled < width) out += '>';
  return "[" + out + std::string(width - std::min(width, out.size()), ' ') + "]";
}

static double ratio(uint64_t a, uint64_t b) { return static_cast<double>(a) / static_cast<double>(b); }

// Below that, a rate says more of the clock than of the work.
static constexpr double kSoon = 0.5;

static std::optional<double> seconds_left(const Totals& t) {
  if (t.bytes_total > t.bytes && t.bytes > 0) return t.seconds * ratio(t.bytes_total - t.bytes, t.bytes);
  if (t.bytes_total == 0 && t.items_total > t.items && t.items > 0)
    return t.seconds * ratio(t.items_total - t.items, t.items);
  return std::nullopt;
}

static std::string amounts(const Totals& t) {
  std::string text;
  if (t.bytes_total > 0)
    text += human_size(t.bytes) + "/" + human_size(t.bytes_total);
  else if (t.bytes > 0)
    text += human_size(t.bytes);
  if (t.items_total > 0) text += fmt::format("   {}/{}", t.items, t.items_total);
  if (t.files > 0) text += fmt::format("   {} file{}", t.files, t.files == 1 ? "" : "s");
  if (t.bytes > 0 && t.seconds >= kSoon)
    text += "   " + human_size(static_cast<uint64_t>(static_cast<double>(t.bytes) / t.seconds)) + "/s";
  const auto left = seconds_left(t);
  if (left && t.seconds >= kSoon)
    text += "   ETA " + clock_time(*left);
  else if (t.seconds >= 1)
    text += "   " + clock_time(t.seconds);
  return text;
}

std::string progress_line(const Totals& t, unsigned width) {
  std::string text = amounts(t);
  const bool known = t.bytes_total > 0 || t.items_total > 0;
  if (known && width > text.size() + 16) {
    const double share = t.bytes_total > 0 ? ratio(t.bytes, t.bytes_total) : ratio(t.items, t.items_total);
    text = progress_bar(share, std::min<size_t>(40, width - text.size() - 6)) + "  " + text;
  }
  return ellipsis(text, width);
}

std::string worker_line(const std::string& item, const std::string& state, const Totals& totals, unsigned width) {
  const std::string text = amounts(totals);
  return ellipsis(printable(item) + ": " + printable(state) + (text.empty() || text[0] == ' ' ? "" : "   ") + text,
                  width);
}

namespace {

class PlainProgress : public CountedProgress {
 public:
  explicit PlainProgress(std::chrono::milliseconds interval) : ticker_(interval, [this] { tell(); }) {}
  void state(const std::string& item, const std::string& state) override {
    CountedProgress::state(item, state);
    complain(printable(item) + ": " + printable(state));
  }
  void warn(const std::string& line) override { cairn::warn(line); }

 private:
  void tell() {
    const std::string line = amounts(count_.snapshot().totals);
    if (const size_t text = line.find_first_not_of(' '); text != std::string::npos) complain(line.substr(text));
  }
  Ticker ticker_;
};

class QuietProgress : public NoProgress {
 public:
  void warn(const std::string& line) override { cairn::warn(line); }
};

class BarProgress : public CountedProgress {
 public:
  BarProgress() {
    ticker_.emplace(std::chrono::milliseconds(100), [this] { paint(); });
  }

  ~BarProgress() override {
    ticker_.reset();
    show(wipe());
  }

  void state(const std::string& item, const std::string& state) override {
    CountedProgress::state(item, state);
    if (state != "failed") return;
    const std::lock_guard lock(mutex_);
    kept_ += "cairn: " + printable(item) + ": failed\n";
  }
  void warn(const std::string& line) override {
    const std::lock_guard lock(mutex_);
    show(wipe());
    cairn::warn(line);
  }

 private:
  void paint() {
    static constexpr size_t most_lines = 8;
    const unsigned width = std::max(20u, terminal_width(STDERR_FILENO)) - 1;
    const auto now = count_.snapshot();
    const std::lock_guard lock(mutex_);
    std::string out = wipe();
    const size_t hidden = now.workers.size() - std::min(now.workers.size(), most_lines);
    if (hidden > 0) out += fmt::format("{} more\n", hidden);
    for (size_t i = hidden; i < now.workers.size(); ++i)
      out += worker_line(now.workers[i].item, now.workers[i].state, now.workers[i].totals, width) + "\n";
    out += progress_line(now.totals, width) + "\n";
    drawn_ = now.workers.size() - hidden + (hidden > 0 ? 1 : 0) + 1;
    show(out);
  }

  // Back to the first drawn line, nothing below it, and then the lines that stay.
  std::string wipe() {
    std::string out = std::exchange(kept_, {});
    if (drawn_ > 0) out = fmt::format("\x1b[{}A\r\x1b[J", std::exchange(drawn_, 0)) + out;
    return out;
  }
  static void show(const std::string& text) {
    [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text.data(), text.size());
  }

  std::mutex mutex_;
  std::string kept_;  // lines that stay, not written yet
  size_t drawn_ = 0;
  std::optional<Ticker> ticker_;  // last: it uses all of the above
};

}  // namespace

bool draws_bars(ProgressStyle style) {
  const char* term = std::getenv("TERM");
  return style == ProgressStyle::automatic && is_terminal(STDERR_FILENO) && term != nullptr &&
         std::string_view(term) != "dumb";
}

std::unique_ptr<Progress> make_progress(ProgressStyle style, std::chrono::milliseconds now_and_then) {
  if (style == ProgressStyle::none) return std::make_unique<QuietProgress>();
  if (draws_bars(style)) return std::make_unique<BarProgress>();
  return std::make_unique<PlainProgress>(now_and_then);
}

}  // namespace cairn
