#include "core/layer/stored_layer.h"

#include <algorithm>
#include <condition_variable>
#include <cstring>
#include <exception>
#include <mutex>
#include <thread>

namespace cairn {
namespace {

// The writer waits until what it offered is read, so that nothing is copied twice.
class StoredLayer : public ByteSource, private ByteSink {
 public:
  StoredLayer(LayerStore& layers, const ChainId& chain) : writer_([this, &layers, chain] { run(layers, chain); }) {}
  ~StoredLayer() override {
    {
      const std::lock_guard lock(mutex_);
      abandoned_ = true;
    }
    changed_.notify_all();
    writer_.join();
  }

  size_t read(std::span<char> into) override {
    std::unique_lock lock(mutex_);
    changed_.wait(lock, [&] { return !offered_.empty() || ended_; });
    if (offered_.empty() && failure_) std::rethrow_exception(failure_);
    const size_t n = std::min(into.size(), offered_.size());
    if (n > 0) std::memcpy(into.data(), offered_.data(), n);
    offered_ = offered_.subspan(n);
    if (offered_.empty()) changed_.notify_all();
    return n;
  }

 private:
  struct Abandoned {};

  void write(std::span<const char> bytes) override {
    std::unique_lock lock(mutex_);
    offered_ = bytes;
    changed_.notify_all();
    changed_.wait(lock, [&] { return offered_.empty() || abandoned_; });
    if (abandoned_) throw Abandoned{};
  }

  void run(LayerStore& layers, const ChainId& chain) {
    std::exception_ptr failure;
    try {
      layers.write_tar(chain, *this);
    } catch (const Abandoned&) {
    } catch (...) {
      failure = std::current_exception();
    }
    const std::lock_guard lock(mutex_);
    offered_ = {};
    failure_ = failure;
    ended_ = true;
    changed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable changed_;
  std::span<const char> offered_;
  std::exception_ptr failure_;
  bool ended_ = false, abandoned_ = false;
  std::thread writer_;  // last: it uses all of the above
};

}  // namespace

std::unique_ptr<ByteSource> read_layer(LayerStore& layers, const ChainId& chain) {
  return std::make_unique<StoredLayer>(layers, chain);
}

}  // namespace cairn
