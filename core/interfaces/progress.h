// Where long work reports. Implementations are thread-safe and cheap to call: advance() and files() take no lock. What
// a thread did since it said what it is doing counts for that item, too.
#pragma once

#include <cstdint>
#include <string>

namespace cairn {

class Progress {
 public:
  virtual ~Progress() = default;
  // A named piece of work ("layer 1a2b3c4d5e6f") entered a state: something is being done to it
  // ("hashing", "applying"), or has been ("hashed", "exists", "failed").
  virtual void state(const std::string& item, const std::string& state) = 0;
  // This thread, too, does from now on what another said of `item`.
  virtual void join(const std::string& /*item*/) {}
  virtual void total(uint64_t bytes, uint64_t items) = 0;  // known beforehand, for the ETA
  virtual void expect(uint64_t bytes) = 0;                 // in this thread's item; 0: nobody knows
  virtual void advance(uint64_t bytes) = 0;
  virtual void files(uint64_t count) = 0;
  virtual void item_done() = 0;
  virtual void warn(const std::string& line) = 0;  // printed at once, one line
};

class NoProgress : public Progress {
 public:
  void state(const std::string&, const std::string&) override {}
  void total(uint64_t, uint64_t) override {}
  void expect(uint64_t) override {}
  void advance(uint64_t) override {}
  void files(uint64_t) override {}
  void item_done() override {}
  void warn(const std::string&) override {}
};

}  // namespace cairn
