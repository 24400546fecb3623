#include "cli/output/layer_progress.h"

#include <fmt/format.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "cli/output/size.h"
#include "cli/output/table.h"
#include "cli/output/terminal.h"
#include "cli/output/ticker.h"
#include "core/util/error.h"

namespace cairn {

const LayerWords kPullWords{{{"waiting", "Waiting"},
                             {"applying", "Downloading"},
                             {"applied", "Download complete"},
                             {"kept", "Download complete"},
                             {"published", "Pull complete"},
                             {"exists", "Already exists"}},
                            {{"waiting", "Pulling fs layer"},
                             {"applied", "Download complete"},
                             {"kept", "Download complete"},
                             {"published", "Pull complete"},
                             {"exists", "Already exists"}}};
const LayerWords kPushWords{{{"waiting", "Waiting"},
                             {"asking", "Preparing"},
                             {"pushing", "Pushing"},
                             {"pushed", "Pushed"},
                             {"mounted", "Mounted"},
                             {"exists", "Layer already exists"}},
                            {{"waiting", "Preparing"},
                             {"pushing", "Pushing"},
                             {"pushed", "Pushed"},
                             {"mounted", "Mounted"},
                             {"exists", "Layer already exists"}}};

namespace {

void show(const std::string& text) {
  [[maybe_unused]] const ssize_t ignored = ::write(STDERR_FILENO, text.data(), text.size());
}

// "layer 1a2b3c4d5e6f" of core's.
std::string name_of(const std::string& item) {
  constexpr std::string_view layer = "layer ";
  return printable(item.starts_with(layer) ? item.substr(layer.size()) : item, 80);
}

class Quiet : public LayerProgress {
 public:
  void warn(const std::string& line) override { cairn::warn(line); }
  void title(const std::string&) override {}
  void notice(const std::string& line) override { debug(line); }
};

class Plain : public LayerProgress {
 public:
  explicit Plain(const LayerWords& words) : words_(words) {}
  void state(const std::string& item, const std::string& state) override {
    LayerProgress::state(item, state);
    if (const auto word = words_.plain.find(state); word != words_.plain.end() && last_of(item, state))
      show(name_of(item) + ": " + word->second + "\n");
  }
  void warn(const std::string& line) override { cairn::warn(line); }
  void title(const std::string& line) override { show(printable(line) + "\n"); }
  void notice(const std::string& line) override { complain(line); }

 private:
  // False if that was said last.
  bool last_of(const std::string& item, const std::string& state) {
    const std::lock_guard lock(mutex_);
    return std::exchange(said_[item], state) != state;
  }
  const LayerWords& words_;
  std::mutex mutex_;
  std::map<std::string, std::string> said_;
};

class Live : public LayerProgress {
 public:
  explicit Live(const LayerWords& words) : words_(words) {
    ticker_.emplace(std::chrono::milliseconds(100), [this] {
      const std::lock_guard lock(mutex_);
      paint(true);
    });
  }
  ~Live() override {
    ticker_.reset();
    paint(false);
  }

  void state(const std::string& item, const std::string& state) override {
    LayerProgress::state(item, state);
    if (!words_.live.contains(state)) return;
    const std::lock_guard lock(mutex_);
    const auto known = std::find_if(lines_.begin(), lines_.end(), [&](const Line& one) { return one.item == item; });
    if (known == lines_.end())
      lines_.push_back({item, state});
    else
      known->state = state;
  }
  void warn(const std::string& line) override {
    const std::lock_guard lock(mutex_);
    show(wipe());
    cairn::warn(line);
  }
  void notice(const std::string& line) override {
    const std::lock_guard lock(mutex_);
    show(wipe());
    complain(line);
  }
  void title(const std::string& line) override {
    const std::lock_guard lock(mutex_);
    paint(false);
    drawn_ = 0;
    lines_.clear();
    show(printable(line) + "\n");
  }

 private:
  struct Line {
    std::string item, state;
  };

  std::string line_of(const Line& line, const WorkCount::Snapshot& now, unsigned width) const {
    std::string text = name_of(line.item) + ": " + words_.live.at(line.state);
    for (const auto& worker : now.workers) {
      if (worker.item != line.item) continue;
      const Totals& t = worker.totals;
      const std::string amount = human_size(t.bytes) + (t.bytes_total > 0 ? "/" + human_size(t.bytes_total) : "");
      if (t.bytes_total > 0 && width > text.size() + amount.size() + 16)
        text += " " + progress_bar(static_cast<double>(t.bytes) / static_cast<double>(t.bytes_total),
                                   std::min<size_t>(50, width - text.size() - amount.size() - 6));
      if (t.bytes > 0) text += "  " + amount;
    }
    return ellipsis(text, width);
  }

  // What has ended gives way first when there are more lines than the screen has.
  void paint(bool with_total) {
    const unsigned width = std::max(20u, terminal_width(STDERR_FILENO)) - 1;
    const size_t room = std::max(4u, terminal_height(STDERR_FILENO)) - 2;
    const auto now = count_.snapshot();
    std::string out = wipe();
    size_t hidden = lines_.size() - std::min(lines_.size(), with_total ? room : lines_.size());
    size_t drawn = 0;
    for (const auto& line : lines_) {
      const bool active = std::any_of(now.workers.begin(), now.workers.end(),
                                      [&](const WorkCount::Worker& one) { return one.item == line.item; });
      if (hidden > 0 && !active) {
        --hidden;
        continue;
      }
      out += line_of(line, now, width) + "\n";
      ++drawn;
    }
    if (with_total && !lines_.empty()) {
      out += progress_line(now.totals, width) + "\n";
      ++drawn;
    }
    drawn_ = with_total ? drawn : 0;
    show(out);
  }

  std::string wipe() { return drawn_ > 0 ? fmt::format("\x1b[{}A\r\x1b[J", std::exchange(drawn_, 0)) : std::string(); }

  const LayerWords& words_;
  std::mutex mutex_;
  std::vector<Line> lines_;  // in the order they were first heard of
  size_t drawn_ = 0;
  std::optional<Ticker> ticker_;  // last: it uses all of the above
};

}  // namespace

std::unique_ptr<LayerProgress> make_layer_progress(ProgressStyle style, const LayerWords& words) {
  if (style == ProgressStyle::none) return std::make_unique<Quiet>();
  if (draws_bars(style)) return std::make_unique<Live>(words);
  return std::make_unique<Plain>(words);
}

}  // namespace cairn
