#include "cli/migrate_in_place.h"

#include "cli/damage.h"
#include "cli/output/progress.h"
#include "cli/output/terminal.h"
#include "cli/store_check.h"
#include "cli/wiring.h"
#include "core/layer/store_lock.h"
#include "core/migrate/switch.h"
#include "core/util/error.h"

namespace cairn {
namespace {

// What another run may bring must not be missing from a store that takes the place of the old one.
void refuse_half(const std::string& root, const MigrationReport& report) {
  for (const auto& one : report.damage)
    if (one.kind == kVerifyFailed || one.kind.ends_with("-unreadable"))
      throw Error(Errc::io,
                  "switching '" + printable(root) + "' to the new store: " + one.kind + " " + printable(one.object) +
                      "; the old store stays: run this again, leave it out with --image, or migrate --to another root");
}

Exit roll_back(const InPlace& wanted) {
  refuse_if_engine_runs(open_dir(wanted.source).get());
  StoreSwitch(wanted.source).roll_back();
  print("The old store is in place again; the new one is in " + wanted.source + "/.cairn-switch/new.\n");
  return Exit::done;
}

// --remove-source of what an earlier run migrated, or began to remove: nothing is to be migrated before that.
bool is_about_old_store(const InPlace& wanted, const Globals& globals) {
  const bool driver_is_there =
      globals.driver.empty() || exists_at(AT_FDCWD, wanted.source + "/image/" + globals.driver);
  return wanted.remove_source && driver_is_there &&
         (StoreSwitch(wanted.source).state() == SwitchState::switched || has_source_to_remove(wanted.source));
}

// The new store must be whole by itself before the old one goes. An engine may run on it.
Exit remove_switched(const InPlace& wanted, const Globals& there) {
  const Store store = open_to_read(there);
  auto progress = make_progress(there.progress);
  LayerStore layers = layers_of(store, there, *progress);
  const auto wrong = layers_that_cannot_be_read(store, layers, there.jobs, *progress);
  progress.reset();
  for (const auto& one : wrong) complain("damage: " + describe(one));
  if (!wrong.empty()) {
    complain("the source is kept, as not all of the new store can be read back");
    return Exit::partly;
  }
  StoreSwitch(wanted.source).forget_old();
  return Exit::done;
}

Exit remove_old_store(const InPlace& wanted, const Globals& globals) {
  Globals there = globals;
  there.root = wanted.source;
  Exit exit = Exit::done;
  if (has_source_to_remove(wanted.source)) {
    const Store store = open_to_write(there, *make_progress(globals.progress), IfAbsent::refuse);
    finish_removal({store.root, *store.driver, *store.metadata, {}});
  } else {
    exit = remove_switched(wanted, there);
  }
  if (exit == Exit::done) print("The old store is gone.\n");
  return exit;
}

}  // namespace

std::optional<Exit> go_on_in_place(const InPlace& wanted, const Globals& globals) {
  StoreSwitch store_switch(wanted.source);
  const bool stopped = store_switch.state() == SwitchState::underway;
  if (stopped) {
    refuse_if_engine_runs(open_dir(wanted.source).get());
    store_switch.finish();
    print("The exchange that was stopped is finished.\n");
  }
  const bool switched = store_switch.state() == SwitchState::switched;
  if (wanted.rollback) return stopped && !switched ? Exit::done : roll_back(wanted);
  if (is_about_old_store(wanted, globals)) return remove_old_store(wanted, globals);
  return stopped && switched ? std::optional(Exit::done) : std::nullopt;
}

void settle(const InPlace& wanted, const MigrationSides& sides, const MigrationReport& report) {
  const MigrationPart& part = sides.parts.front();
  StoreSwitch store_switch(part.store.root);
  if (sides.beside) {
    refuse_half(part.store.root.string(), report);
    sides.migration_target().guard();
    store_switch.start(sides.switched_parts(), report.complete());
  }
  if (!wanted.remove_source) return;
  if (!report.complete()) return complain("the source is kept, as not everything was migrated");
  if (sides.beside)
    store_switch.forget_old();
  else
    remove_source(part.migration_source(), sides.migration_target(), report);
}

}  // namespace cairn
