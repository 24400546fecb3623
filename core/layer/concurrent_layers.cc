#include "core/layer/concurrent_layers.h"

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <map>
#include <mutex>

#include "core/layer/kept_layer.h"
#include "core/layer/stored_layer.h"
#include "core/util/error.h"
#include "core/util/interrupt.h"
#include "core/util/workers.h"

namespace cairn {
namespace {

constexpr int kMostOvertaken = 10;  // times, before somebody else is to be told

class Registration {
 public:
  Registration(LayerStore& store, Driver& driver, LayerMetadata& metadata, std::vector<LayerSource> sources,
               Progress& progress)
      : store_(store), driver_(driver), metadata_(metadata), progress_(progress) {
    std::optional<ChainId> chain;
    for (auto& source : sources) {
      chain = chain_id(chain, source.diff.value());
      const auto same = [&](const Item& one) { return one.source.diff == source.diff; };
      const auto twin = std::find_if(items_.begin(), items_.end(), same);
      items_.push_back({std::move(source), *chain, twin == items_.end() ? -1 : twin - items_.begin(), State::waiting,
                        std::nullopt, std::nullopt});
    }
  }

  std::vector<ArrivedLayer> run(unsigned at_once) {
    for (auto& item : items_) {
      if (!look_up(item)) break;  // engines keep no layer without those below it
      progress_.state(item.source.label, "exists");
    }
    size_t left = 0;
    for (auto& item : items_)
      if (item.state == State::waiting) ++left, progress_.state(item.source.label, "waiting");
    if (left > 0) find_elsewhere();
    run_parallel(at_once, std::min<size_t>(left, at_once), [&](size_t) { work(); });
    if (disk_is_full_) drop_kept();
    if (failure_) std::rethrow_exception(failure_);
    std::vector<ArrivedLayer> out;
    for (auto& item : items_) out.push_back({std::move(item.record.value()), item.blob_checked});
    return out;
  }

 private:
  enum class State { waiting, elsewhere, staging, staged, done };
  struct Item {
    LayerSource source;
    ChainId chain;
    ptrdiff_t twin;  // the first with the same DiffID, -1 if there is none before this
    State state;
    std::optional<StagedLayer> staged;
    std::optional<LayerRecord> record;
    bool blob_checked = false;
  };

  void find_elsewhere() {
    std::vector<Damage> ignored;
    for (const auto& record : metadata_.list(&ignored)) elsewhere_.emplace(record.diff, record.chain);
  }

  bool look_up(Item& item) {
    item.record = store_.find(item.chain);
    if (!item.record) return false;
    item.state = State::done;
    progress_.advance(item.source.size_hint);
    progress_.item_done();
    return true;
  }

  void work() {
    try {
      while (Item* item = next()) stage(*item);
    } catch (const std::exception& e) {
      const auto* error = dynamic_cast<const Error*>(&e);
      const std::lock_guard lock(mutex_);
      disk_is_full_ = disk_is_full_ || (error != nullptr && error->code() == Errc::no_space);
      if (!failure_) failure_ = std::current_exception();
      changed_.notify_all();
    }
  }

  // The largest that nobody has begun; else, after a moment, one that another process had when we asked last.
  Item* next() {
    std::unique_lock lock(mutex_);
    for (;;) {
      check_interrupt();
      if (failure_) return nullptr;
      Item* best = nullptr;
      bool under_way = false;
      for (auto& item : items_) {
        under_way = under_way || item.state == State::elsewhere || waits_for_twin(item);
        if (item.state == State::waiting && !waits_for_twin(item) &&
            (!best || item.source.size_hint > best->source.size_hint))
          best = &item;
      }
      if (best) {
        best->state = State::staging;
        return best;
      }
      if (!under_way) return nullptr;
      changed_.wait_for(lock, std::chrono::milliseconds(20));
      for (auto& item : items_)
        if (item.state == State::elsewhere) item.state = State::waiting;
    }
  }

  // On a full disk nothing is kept that nobody sees.
  void drop_kept() {
    for (auto& item : items_)
      if (item.staged) drop(item);
  }

  void drop(Item& item) {
    item.staged->transaction->keep_no_more();  // first: what is half removed must not pass for complete
    item.staged->target.reset();
    driver_.remove(item.staged->cache_id);
    item.staged.reset();
  }

  bool waits_for_twin(const Item& item) const {
    return item.state == State::waiting && item.twin >= 0 &&
           items_[static_cast<size_t>(item.twin)].state != State::done;
  }

  void set(Item& item, State state) {
    const std::lock_guard lock(mutex_);
    item.state = state;
  }

  void stage(Item& item) {
    if (auto claim = claim_of(item)) {
      item.staged = claim->kept ? reopened(*claim, item.source) : std::nullopt;
      if (item.staged) {
        progress_.advance(item.source.size_hint);
        progress_.item_done();
        progress_.state(item.source.label, "kept");
      } else {
        item.staged = stage_anew(item, *claim);
      }
      item.blob_checked = item.blob_checked || item.staged->blob == item.source.blob;
      keep(item);
      set(item, State::staged);
    }
    publish_ready();
  }

  void keep(Item& item) {
    if (!item.staged->target->leave()) return;
    try {
      item.staged->transaction->keep(describe(*item.staged));
    } catch (...) {
      drop(item);  // nobody would know of it
      throw;
    }
  }

  // nullopt: another process is at it, or has done it.
  std::optional<LayerMetadata::Claim> claim_of(Item& item) {
    if (is_done(item)) return std::nullopt;
    auto claim = metadata_.claim(item.chain);
    if (!claim) {
      set(item, State::elsewhere);
    } else if (is_done(item)) {  // published between our looking and our claiming
      if (store_.clear(claim->left).empty()) claim->transaction->keep_no_more();
      return std::nullopt;
    }
    return claim;
  }

  bool is_done(Item& item) {
    auto record = store_.find(item.chain);
    if (!record) return false;
    progress_.state(item.source.label, "exists");
    const std::lock_guard lock(mutex_);
    look_up(item);
    return item.state == State::done;
  }

  std::optional<StagedLayer> reopened(LayerMetadata::Claim& claim, const LayerSource& wanted) {
    auto out = read_description(*claim.kept);
    if (!out || out->diff != wanted.diff) return std::nullopt;
    out->target = driver_.reopen(out->cache_id);
    if (!out->target) return std::nullopt;
    out->transaction = std::move(claim.transaction);
    return out;
  }

  StagedLayer stage_anew(const Item& item, LayerMetadata::Claim& claim) {
    claim.left = store_.clear(claim.left);
    const auto there = item.twin >= 0 ? elsewhere_.end() : elsewhere_.find(*item.source.diff);
    std::optional<ChainId> chain;
    if (item.twin >= 0) chain = items_[static_cast<size_t>(item.twin)].chain;
    if (there != elsewhere_.end()) chain = there->second;
    if (chain && is_sound(*chain)) {
      LayerSource copied = item.source;
      copied.blob.reset();  // as it is packed nowhere here
      return stage(copied, claim, read_layer(store_, *chain));
    }
    return stage(item.source, claim, item.source.open());
  }

  // What is damaged is fetched.
  bool is_sound(const ChainId& chain) const {
    class Nowhere : public ByteSink {
      void write(std::span<const char>) override { check_interrupt(); }
    } nowhere;
    try {
      store_.write_tar(chain, nowhere);
      return true;
    } catch (const Error& e) {
      if (e.code() == Errc::interrupted) throw;
      return false;
    }
  }

  StagedLayer stage(const LayerSource& source, LayerMetadata::Claim& claim, std::unique_ptr<ByteSource> bytes) {
    const LayerId cache_id = LayerId::random();
    auto ids = claim.left;
    ids.push_back(cache_id);
    claim.transaction->restart(ids);
    return store_.stage(std::move(claim.transaction), cache_id, std::move(bytes), source);
  }

  // One thread at a time; others leave theirs to it.
  void publish_ready() {
    {
      const std::lock_guard lock(mutex_);
      if (std::exchange(publishing_, true)) {
        again_ = true;
        return;
      }
    }
    for (;;) {
      const auto [from, to] = ready();
      if (from == to) {
        const std::lock_guard lock(mutex_);
        if (std::exchange(again_, false)) continue;
        publishing_ = false;
        return;
      }
      publish(from, to);
    }
  }

  // The staged ones that lie on what is published.
  std::pair<size_t, size_t> ready() {
    const std::lock_guard lock(mutex_);
    size_t from = 0;
    while (from < items_.size() && items_[from].state == State::done) ++from;
    size_t to = from;
    while (to < items_.size() && items_[to].state == State::staged) ++to;
    return {from, to};
  }

  void publish(size_t from, size_t to) {
    std::vector<StagedLayer> layers;
    for (size_t i = from; i < to; ++i) layers.push_back(std::move(*items_[i].staged));
    std::optional<std::vector<LayerRecord>> records;
    try {
      records = store_.publish_claimed(from == 0 ? std::nullopt : std::optional(items_[from - 1].chain), layers);
    } catch (...) {
      for (size_t i = from; i < to; ++i) items_[i].staged = std::move(layers[i - from]);
      throw;
    }
    const std::lock_guard lock(mutex_);
    for (size_t i = from; i < to; ++i) items_[i].staged.reset();
    if (!records) return begin_anew(from, to);
    for (size_t i = from; i < to; ++i) {
      items_[i].record = std::move((*records)[i - from]);
      items_[i].state = State::done;
      progress_.state(items_[i].source.label, "published");
    }
    changed_.notify_all();
  }

  // Somebody was faster with some of them: those are there. Or what they lie on is gone.
  void begin_anew(size_t from, size_t to) {
    if (++overtaken_ > kMostOvertaken)
      throw Error(Errc::in_use,
                  "publishing layers: other programs register and remove the same ones all the time; run it again");
    for (size_t i = 0; i < from; ++i)
      if (!store_.find(items_[i].chain)) from = i;
    for (size_t i = from; i < to; ++i) items_[i].state = State::waiting, items_[i].blob_checked = false;
  }

  LayerStore& store_;
  Driver& driver_;
  LayerMetadata& metadata_;
  Progress& progress_;
  std::map<DiffId, ChainId> elsewhere_;  // layers of the store
  std::vector<Item> items_;              // its states are guarded by mutex_
  std::mutex mutex_;
  std::condition_variable changed_;
  std::exception_ptr failure_;  // the first
  bool disk_is_full_ = false, publishing_ = false, again_ = false;
  int overtaken_ = 0;
};

}  // namespace

std::vector<ArrivedLayer> register_concurrently(LayerStore& store, Driver& driver, LayerMetadata& metadata,
                                                std::vector<LayerSource> sources, unsigned at_once,
                                                Progress& progress) {
  return Registration(store, driver, metadata, std::move(sources), progress).run(at_once);
}

}  // namespace cairn
