// How much of long work is done, and by whom: counted by the workers without a lock, read now and then by whoever
// draws.
#pragma once

#include <atomic>
#include <chrono>
#include <deque>
#include <mutex>
#include <string>
#include <vector>

#include "cli/output/progress.h"

namespace cairn {

class WorkCount {
 public:
  struct Worker {
    std::string item, state;
    Totals totals;
  };
  struct Snapshot {
    Totals totals;
    std::vector<Worker> workers;  // the latest change last
  };

  WorkCount();
  // "hashing" begins something that this thread does from now on; all other states are ends.
  void state(const std::string& item, const std::string& state);
  void join(const std::string& item);
  void total(uint64_t bytes, uint64_t items);
  void expect(uint64_t bytes);
  void advance(uint64_t bytes) { lane().bytes.fetch_add(bytes, std::memory_order_relaxed); }
  void files(uint64_t count) { lane().files.fetch_add(count, std::memory_order_relaxed); }
  void item_done() { items_.fetch_add(1, std::memory_order_relaxed); }
  Snapshot snapshot();

 private:
  using Clock = std::chrono::steady_clock;
  struct alignas(64) Lane {  // one item's; alone on its cache line while it is counted on
    std::atomic<uint64_t> bytes{0}, files{0}, expected{0};
    std::string item, state;  // "": free. Guarded by mutex_, as is all below
    Clock::time_point since;
    uint64_t turn = 0;
  };
  Lane& lane();
  void settle(Lane& lane);

  const uint64_t id_;
  const Clock::time_point started_ = Clock::now();
  std::atomic<uint64_t> items_{0};
  Lane others_;  // of threads that did not say what they do
  std::mutex mutex_;
  std::deque<Lane> lanes_;  // never shrinks: a thread may still count on one that has ended
  Totals done_;             // of what has ended, and what is known beforehand
  uint64_t turns_ = 0;
};

}  // namespace cairn
