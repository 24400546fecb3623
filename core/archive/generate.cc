#include "core/archive/generate.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/util/error.h"

namespace cairn {

namespace {

constexpr size_t kChunk = 256 << 10, kMaxChunks = 8;

class Generated : public ByteSource, private ByteSink {
 public:
  explicit Generated(std::function<void(ByteSink&)> produce)
      : thread_([this, produce = std::move(produce)] { run(produce); }) {}

  ~Generated() override {
    {
      const std::lock_guard lock(mutex_);
      abandoned_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  size_t read(std::span<char> into) override {
    while (position_ == current_.size()) {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return !chunks_.empty() || ended_; });
      if (chunks_.empty()) {
        if (failure_) std::rethrow_exception(failure_);
        return 0;
      }
      current_ = std::move(chunks_.front());
      chunks_.pop_front();
      position_ = 0;
      lock.unlock();
      changed_.notify_all();
    }
    const size_t n = std::min(into.size(), current_.size() - position_);
    std::memcpy(into.data(), current_.data() + position_, n);
    position_ += n;
    return n;
  }

 private:
  void run(const std::function<void(ByteSink&)>& produce) {
    std::exception_ptr failure;
    try {
      produce(*this);
      hand_over();
    } catch (...) {
      failure = std::current_exception();
    }
    {
      const std::lock_guard lock(mutex_);
      failure_ = failure;
      ended_ = true;
    }
    changed_.notify_all();
  }

  void write(std::span<const char> bytes) override {  // producer's thread
    while (!bytes.empty()) {
      const size_t n = std::min(bytes.size(), kChunk - filling_.size());
      filling_.insert(filling_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(n));
      bytes = bytes.subspan(n);
      if (filling_.size() == kChunk) hand_over();
    }
  }

  void hand_over() {
    if (filling_.empty()) return;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [&] { return chunks_.size() < kMaxChunks || abandoned_; });
      if (abandoned_) throw Error(Errc::interrupted, "producing a stream: nobody reads it any more");
      chunks_.push_back(std::move(filling_));
    }
    changed_.notify_all();
    filling_ = {};
    filling_.reserve(kChunk);
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<std::vector<char>> chunks_;  // guarded by mutex_
  bool ended_ = false, abandoned_ = false;
  std::exception_ptr failure_;
  std::vector<char> filling_;  // the producer's
  std::vector<char> current_;  // the reader's
  size_t position_ = 0;
  std::thread thread_;  // last: starts when all else is there
};

}  // namespace

std::unique_ptr<ByteSource> generate(std::function<void(ByteSink&)> produce) {
  return std::make_unique<Generated>(std::move(produce));
}

}  // namespace cairn
