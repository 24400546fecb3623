// What every progress that is drawn has in common: it counts.
#pragma once

#include <string>

#include "cli/output/work_count.h"
#include "core/interfaces/progress.h"

namespace cairn {

class CountedProgress : public Progress {
 public:
  void state(const std::string& item, const std::string& state) override { count_.state(item, state); }
  void join(const std::string& item) override { count_.join(item); }
  void total(uint64_t bytes, uint64_t items) override { count_.total(bytes, items); }
  void expect(uint64_t bytes) override { count_.expect(bytes); }
  void advance(uint64_t bytes) override { count_.advance(bytes); }
  void files(uint64_t count) override { count_.files(count); }
  void item_done() override { count_.item_done(); }

 protected:
  WorkCount count_;
};

}  // namespace cairn
