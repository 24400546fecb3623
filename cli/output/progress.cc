#include "cli/output/progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdlib>
#include <mutex>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "cli/output/size.h"
#include "cli/output/table.h"
#include "cli/output/terminal.h"
#include "core/util/error.h"

namespace cairn {

std::string clock_time(double seconds) {
  const auto whole = static_cast<uint64_t>(std::clamp(seconds, 0.0, 360000.0) + 0.5);
  if (whole < 60) return fmt::format("{}s", whole);
  if (whole < 3600) return fmt::format("{}m{:02}s", whole / 60, whole % 60);
  return fmt::format("{}h{:02}m", whole / 3600, whole % 3600 / 60);
}

static std::string bar(double share, size_t width) {
  const auto filled = static_cast<size_t>(std::clamp(share, 0.0, 1.0) * static_cast<double>(width));
  std::string out(filled, '=');
  if (filled < width) out += '>';
  return "[" + out + std::string(width - std::min(width, out.size()), ' ') + "]";
}

std::string progress_line(const Totals& t, unsigned width) {
  const double rate = t.seconds > 0 ? static_cast<double>(t.bytes) / t.seconds : 0;
  std::string text;
  if (t.bytes_total > 0)
    text += human_size(t.bytes) + "/" + human_size(t.bytes_total);
  else if (t.bytes > 0)
    text += human_size(t.bytes);
  if (t.items_total > 0) text += fmt::format("   {}/{}", t.items, t.items_total);
  if (rate > 0) text += "   " + human_size(static_cast<uint64_t>(rate)) + "/s";
  if (rate > 0 && t.bytes_total > t.bytes)
    text += "   ETA " + clock_time(static_cast<double>(t.bytes_total - t.bytes) / rate);
  else if (t.seconds >= 1)
    text += "   " + clock_time(t.seconds);
  const bool known = t.bytes_total > 0 || t.items_total > 0;
  if (known && width > text.size() + 16) {
    const double share = t.bytes_total > 0 ? static_cast<double>(t.bytes) / static_cast<double>(t.bytes_total)
                                           : static_cast<double>(t.items) / static_cast<double>(t.items_total);
    text = bar(share, std::min<size_t>(40, width - text.size() - 6)) + "  " + text;
  }
  return ellipsis(text, width);
}

namespace {

using Clock = std::chrono::steady_clock;

class PlainProgress : public Progress {
 public:
  void state(const std::string& item, const std::string& state) override {
    complain(printable(item) + ": " + printable(state));
  }
  void total(uint64_t, uint64_t) override {}
  void advance(uint64_t) override {}
  void item_done() override {}
  void warn(const std::string& line) override { cairn::warn(line); }
};

class QuietProgress : public NoProgress {
 public:
  void warn(const std::string& line) override { cairn::warn(line); }
};

class BarProgress : public Progress {
 public:
  BarProgress() : painter_([this] { paint_until_stopped(); }) {}

  ~BarProgress() override {
    {
      const std::lock_guard lock(mutex_);
      stopped_ = true;
    }
    wake_.notify_all();
    painter_.join();
    show(wipe());
  }

  void state(const std::string& item, const std::string& state) override {
    const std::lock_guard lock(mutex_);
    std::erase_if(active_, [&](const auto& one) { return one.first == item; });
    if (state == "failed") kept_ += "cairn: " + printable(item) + ": failed\n";
    if (state.ends_with("ing")) active_.emplace_back(item, state);  // all others are ends
  }
  void total(uint64_t bytes, uint64_t items) override {
    const std::lock_guard lock(mutex_);
    totals_.bytes_total = bytes;
    totals_.items_total = items;
  }
  void advance(uint64_t bytes) override {
    const std::lock_guard lock(mutex_);
    totals_.bytes += bytes;
  }
  void item_done() override {
    const std::lock_guard lock(mutex_);
    ++totals_.items;
  }
  void warn(const std::string& line) override {
    const std::lock_guard lock(mutex_);
    show(wipe());
    cairn::warn(line);
  }

 private:
  void paint_until_stopped() {
    std::unique_lock lock(mutex_);
    while (!wake_.wait_for(lock, std::chrono::milliseconds(100), [this] { return stopped_; })) paint();
  }

  void paint() {
    static constexpr size_t most_lines = 8;
    const unsigned width = std::max(20u, terminal_width(STDERR_FILENO)) - 1;
    totals_.seconds = std::chrono::duration<double>(Clock::now() - started_).count();
    std::string out = wipe();
    const size_t hidden = active_.size() - std::min(active_.size(), most_lines);
    if (hidden > 0) out += fmt::format("{} more\n", hidden);
    for (size_t i = hidden; i < active_.size(); ++i)
      out += ellipsis(printable(active_[i].first) + ": " + printable(active_[i].second), width) + "\n";
    drawn_ += active_.size() - hidden + (hidden > 0 ? 1 : 0);
    out += progress_line(totals_, width) + "\n";
    ++drawn_;
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
  std::condition_variable wake_;
  bool stopped_ = false;
  std::vector<std::pair<std::string, std::string>> active_;  // the latest change last
  std::string kept_;                                         // lines that stay, not written yet
  Totals totals_;
  size_t drawn_ = 0;
  const Clock::time_point started_ = Clock::now();
  std::thread painter_;  // last: it uses all of the above
};

}  // namespace

std::unique_ptr<Progress> make_progress(ProgressStyle style) {
  if (style == ProgressStyle::none) return std::make_unique<QuietProgress>();
  const char* term = std::getenv("TERM");
  const bool bars = is_terminal(STDERR_FILENO) && term != nullptr && std::string_view(term) != "dumb";
  if (style == ProgressStyle::automatic && bars) return std::make_unique<BarProgress>();
  return std::make_unique<PlainProgress>();
}

}  // namespace cairn
