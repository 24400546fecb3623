// Exchanges a store for one that was made below its own root, ROOT/.cairn-switch/new, in one atomic step: at any moment
// an engine that is started on ROOT finds either the old store whole or the new one. How: the parts of the store (its
// driver's directory, image/, containers/) are first moved to .cairn-switch/old one by one, each exchanged for a link
// through .cairn-switch/now, which leads to `old`; then `now` is pointed to `new` by a rename; then the links are
// exchanged for what they lead to. Every step can be repeated: a later call goes on where a crash stopped it.
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>

namespace cairn {

enum class SwitchState {
  none,      // no switch here, or one that is only being prepared
  underway,  // a crash came between: finish_switch() goes on
  switched,  // the old store is kept in .cairn-switch/old
};

class StoreSwitch {
 public:
  explicit StoreSwitch(std::filesystem::path root) : root_(std::move(root)) {}

  SwitchState state() const;
  std::filesystem::path staging() const { return root_ / ".cairn-switch/new"; }
  void make_staging();  // the directory, private; already_exists if an earlier switch keeps its old store

  // `parts`: names below the root that the new store replaces, or that only the old one has. `complete`: all of the old
  // store is in the new one. Throws unsupported, having changed nothing, where a part is a mount point or a relative
  // link.
  void start(const std::set<std::string>& parts, bool complete);
  void finish();  // of a switch that a crash stopped, in whichever direction
  // The old store in place of the new one again, which is kept in `new`. Throws not_found if nothing was switched.
  void roll_back();
  // The old store is gone for good. Throws not_found if nothing was switched, invalid if not all of it is in the new
  // one.
  void forget_old();

 private:
  struct Record;
  std::optional<Record> read() const;
  void refuse_another() const;
  void write(const Record& record);
  void go(Record& record);
  void link_away(const std::string& name, const std::string& side);
  void put_in_place(const std::string& name, const std::string& side);

  std::filesystem::path root_;
};

}  // namespace cairn
