#include "cli/output/work_count.h"

#include <algorithm>
#include <iterator>

namespace cairn {

namespace {

// The lane this thread counts on, and whose it is.
struct Here {
  uint64_t owner = 0;
  void* lane = nullptr;
};
thread_local Here here;

std::atomic<uint64_t> last_id{0};

}  // namespace

WorkCount::WorkCount() : id_(++last_id) {}

WorkCount::Lane& WorkCount::lane() {
  return here.owner == id_ && here.lane != nullptr ? *static_cast<Lane*>(here.lane) : others_;
}

void WorkCount::settle(Lane& lane) {
  done_.bytes += lane.bytes.exchange(0, std::memory_order_relaxed);
  done_.files += lane.files.exchange(0, std::memory_order_relaxed);
  lane.expected = 0;
}

void WorkCount::state(const std::string& item, const std::string& state) {
  const std::lock_guard lock(mutex_);
  const auto named = [&](const std::string& name) {
    return std::find_if(lanes_.begin(), lanes_.end(), [&](const Lane& one) { return one.item == name; });
  };
  auto lane = named(item);
  if (lane != lanes_.end()) settle(*lane);
  if (!state.ends_with("ing")) {
    if (lane != lanes_.end()) lane->item.clear();
    if (here.owner == id_) here.lane = nullptr;
    return;
  }
  if (lane == lanes_.end()) lane = named("");
  if (lane == lanes_.end()) {
    lanes_.emplace_back();
    lane = std::prev(lanes_.end());
  }
  lane->item = item;
  lane->state = state;
  lane->since = Clock::now();
  lane->turn = ++turns_;
  here = {id_, &*lane};
}

void WorkCount::join(const std::string& item) {
  const std::lock_guard lock(mutex_);
  for (auto& lane : lanes_)
    if (lane.item == item) here = {id_, &lane};
}

void WorkCount::total(uint64_t bytes, uint64_t items) {
  const std::lock_guard lock(mutex_);
  done_.bytes_total = bytes;
  done_.items_total = items;
}

void WorkCount::expect(uint64_t bytes) { lane().expected.store(bytes, std::memory_order_relaxed); }

WorkCount::Snapshot WorkCount::snapshot() {
  const std::lock_guard lock(mutex_);
  const auto now = Clock::now();
  const auto since = [&](Clock::time_point then) { return std::chrono::duration<double>(now - then).count(); };
  settle(others_);
  Snapshot out{done_, {}};
  out.totals.seconds = since(started_);
  out.totals.items = items_;
  std::vector<const Lane*> active;
  for (const auto& lane : lanes_)
    if (!lane.item.empty()) active.push_back(&lane);
  std::sort(active.begin(), active.end(), [](const Lane* a, const Lane* b) { return a->turn < b->turn; });
  for (const Lane* lane : active) {
    const Totals own{lane->bytes, lane->expected, 0, 0, since(lane->since), lane->files};
    out.totals.bytes += own.bytes;
    out.totals.files += own.files;
    out.workers.push_back({lane->item, lane->state, own});
  }
  return out;
}

}  // namespace cairn
