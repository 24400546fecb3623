#include "core/archive/stream.h"

#include <unistd.h>

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <deque>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "core/util/error.h"
#include "core/util/interrupt.h"

namespace cairn {
namespace {

constexpr size_t kChunk = 256 << 10;

class FdSource : public ByteSource {
 public:
  explicit FdSource(Fd fd) : fd_(std::move(fd)) {}
  size_t read(std::span<char> into) override { return read_some(fd_.get(), into); }

 private:
  Fd fd_;
};

class RangeSource : public ByteSource {
 public:
  RangeSource(int fd, uint64_t offset, uint64_t size) : fd_(fd), offset_(offset), left_(size) {}
  size_t read(std::span<char> into) override {
    const size_t want = static_cast<size_t>(std::min<uint64_t>(into.size(), left_));
    if (want == 0) return 0;
    for (;;) {
      const ssize_t n = ::pread(fd_, into.data(), want, static_cast<off_t>(offset_));
      if (n > 0) {
        offset_ += static_cast<uint64_t>(n);
        left_ -= static_cast<uint64_t>(n);
        return static_cast<size_t>(n);
      }
      const std::string doing = "reading '" + printable(path_of(fd_)) + "' at byte " + std::to_string(offset_);
      if (n == 0) throw Error(Errc::corrupt, doing + ": " + std::to_string(left_) + " bytes are missing at its end");
      if (errno != EINTR) throw_errno(doing);
    }
  }

 private:
  int fd_;
  uint64_t offset_, left_;
};

class StringSource : public ByteSource {
 public:
  explicit StringSource(std::string bytes) : bytes_(std::move(bytes)) {}
  size_t read(std::span<char> into) override {
    const size_t n = std::min(into.size(), bytes_.size() - at_);
    std::memcpy(into.data(), bytes_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  std::string bytes_;
  size_t at_ = 0;
};

class Concatenation : public ByteSource {
 public:
  Concatenation(std::string first, std::unique_ptr<ByteSource> rest)
      : first_(std::move(first)), rest_(std::move(rest)) {}
  size_t read(std::span<char> into) override {
    const size_t n = first_.read(into);
    return n > 0 ? n : rest_->read(into);
  }

 private:
  StringSource first_;
  std::unique_ptr<ByteSource> rest_;
};

class Tee : public ByteSource {
 public:
  Tee(std::unique_ptr<ByteSource> source, std::function<void(std::span<const char>)> tap)
      : source_(std::move(source)), tap_(std::move(tap)) {}
  size_t read(std::span<char> into) override {
    const size_t n = source_->read(into);
    if (n > 0) tap_(into.first(n));
    return n;
  }

 private:
  std::unique_ptr<ByteSource> source_;
  std::function<void(std::span<const char>)> tap_;
};

// The thread fills blocks and queues them; the reader takes the front one and gives it back when it is used up. What
// the source throws reaches the reader after the bytes read before it. The destructor waits for a read that is under
// way.
class ReadAhead : public ByteSource {
 public:
  ReadAhead(std::unique_ptr<ByteSource> source, size_t buffers)
      : source_(std::move(source)), buffers_(std::max<size_t>(buffers, 1)), thread_([this] { run(); }) {}
  ~ReadAhead() override {
    {
      const std::lock_guard lock(mutex_);
      stop_ = true;
    }
    changed_.notify_all();
    thread_.join();
  }

  size_t read(std::span<char> into) override {
    if (at_ == current_.size() && !next_block()) return 0;
    const size_t n = std::min(into.size(), current_.size() - at_);
    std::memcpy(into.data(), current_.data() + at_, n);
    at_ += n;
    return n;
  }

 private:
  using Block = std::vector<char>;

  bool next_block() {
    std::unique_lock lock(mutex_);
    if (current_.capacity() > 0) spare_.push_back(std::move(current_));
    current_.clear();
    at_ = 0;
    changed_.wait(lock, [this] { return !filled_.empty() || done_; });
    if (filled_.empty()) {
      if (failure_) std::rethrow_exception(failure_);
      return false;
    }
    current_ = std::move(filled_.front());
    filled_.pop_front();
    lock.unlock();
    changed_.notify_all();
    return true;
  }

  void run() {
    std::exception_ptr failure;
    try {
      while (read_block()) {
      }
    } catch (...) {
      failure = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    failure_ = failure;
    done_ = true;
    changed_.notify_all();
  }

  // False at the end of the source, or when nobody reads any more.
  bool read_block() {
    Block block;
    {
      std::unique_lock lock(mutex_);
      changed_.wait(lock, [this] { return stop_ || filled_.size() < buffers_; });
      if (stop_) return false;
      if (!spare_.empty()) {
        block = std::move(spare_.back());
        spare_.pop_back();
      }
    }
    block.resize(kChunk);
    size_t done = 0;
    bool more = true;
    const auto keep = [&] {
      block.resize(done);
      if (done == 0) return;
      const std::lock_guard lock(mutex_);
      filled_.push_back(std::move(block));
      changed_.notify_all();
    };
    try {
      while (more && done < block.size() && !stopped()) {
        const size_t n = source_->read(std::span(block).subspan(done));
        more = n > 0;
        done += n;
      }
    } catch (...) {
      keep();
      throw;
    }
    keep();
    return more;
  }

  bool stopped() {
    const std::lock_guard lock(mutex_);
    return stop_;
  }

  std::unique_ptr<ByteSource> source_;
  const size_t buffers_;
  Block current_;  // the reader's own, outside the lock
  size_t at_ = 0;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::deque<Block> filled_;
  std::vector<Block> spare_;
  std::exception_ptr failure_;
  bool stop_ = false, done_ = false;
  std::thread thread_;  // last: it uses all of the above
};

}  // namespace

std::unique_ptr<ByteSource> read_from(Fd fd) { return std::make_unique<FdSource>(std::move(fd)); }

std::unique_ptr<ByteSource> read_range(int fd, uint64_t offset, uint64_t size) {
  return std::make_unique<RangeSource>(fd, offset, size);
}

std::unique_ptr<ByteSource> read_from(std::string bytes) { return std::make_unique<StringSource>(std::move(bytes)); }

std::unique_ptr<ByteSource> concatenate(std::string first, std::unique_ptr<ByteSource> rest) {
  return std::make_unique<Concatenation>(std::move(first), std::move(rest));
}

std::unique_ptr<ByteSource> tee(std::unique_ptr<ByteSource> source, std::function<void(std::span<const char>)> tap) {
  return std::make_unique<Tee>(std::move(source), std::move(tap));
}

std::unique_ptr<ByteSource> read_ahead(std::unique_ptr<ByteSource> source, size_t buffers) {
  return std::make_unique<ReadAhead>(std::move(source), buffers);
}

size_t read_full(ByteSource& source, std::span<char> into) {
  size_t done = 0;
  while (done < into.size()) {
    const size_t n = source.read(into.subspan(done));
    if (n == 0) break;
    done += n;
  }
  return done;
}

std::string read_all(ByteSource& source, size_t limit) {
  std::string out;
  size_t done = 0;
  for (;;) {
    // One byte more than the limit is room enough to see that it was passed.
    if (done == out.size()) out.resize(std::max(std::min(std::max<size_t>(out.size() * 2, 4096), limit + 1), done + 1));
    const size_t n = source.read(std::span(out).subspan(done));
    if (n == 0) break;
    done += n;
    if (done > limit) throw Error(Errc::corrupt, "reading a stream: larger than " + std::to_string(limit) + " bytes");
  }
  out.resize(done);
  return out;
}

// Every chunk of `source` goes to `use`; the total is returned.
template <typename Use>
static uint64_t for_each_chunk(ByteSource& source, Use&& use) {
  const std::unique_ptr<char[]> buffer(new char[kChunk]);
  uint64_t total = 0;
  for (;;) {
    check_interrupt();
    const size_t n = source.read(std::span(buffer.get(), kChunk));
    if (n == 0) return total;
    use(std::span<const char>(buffer.get(), n));
    total += n;
  }
}

uint64_t drain(ByteSource& source) {
  return for_each_chunk(source, [](std::span<const char>) {});
}

uint64_t copy(ByteSource& source, ByteSink& sink) {
  return for_each_chunk(source, [&](std::span<const char> bytes) { sink.write(bytes); });
}

}  // namespace cairn
