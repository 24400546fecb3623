#include "cli/open_migration.h"

#include <fcntl.h>

#include <algorithm>
#include <functional>

#include "cli/exit.h"
#include "cli/output/terminal.h"
#include "cli/wiring.h"
#include "core/layer/store_lock.h"
#include "core/migrate/switch.h"
#include "core/util/error.h"
#include "core/util/remapped_root.h"

namespace cairn {
namespace {

bool concerns(const std::string& option, const std::string& driver) {
  return option.starts_with(driver == "devicemapper" ? "dm." : driver + ".");
}

std::string paths_below(const std::string& root, const std::vector<std::string>& names) {
  std::string out;
  for (const auto& name : names)
    out += (out.empty() ? "'" : ", '") + printable((std::filesystem::path(root) / name).string()) + "'";
  return out;
}

// An engine with user namespaces adds the name itself to the directory that it is told.
void refuse_other_name(const std::string& source, const std::string& target) {
  const auto ids = remapped_root(std::filesystem::path(source));
  if (!ids || target.empty()) return;
  const std::string name = without_trailing_slash(source).filename().string();
  if (without_trailing_slash(target).filename() == name) return;
  throw UserError(Errc::invalid, "migrating '" + printable(source) +
                                     "': it is the root of an engine with user namespaces, which looks for it by its "
                                     "name: say --to '" +
                                     printable((std::filesystem::path(target) / name).string()) + "'");
}

// What the root holds, of any driver and layout, or of the one that is named. Half-migrated roots have both layouts.
std::vector<MigrationPart> open_parts(const std::string& root, const std::string& named,
                                      const std::function<std::vector<std::string>(const std::string&)>& options_of) {
  std::vector<MigrationPart> out;
  for (const auto& store : stores_in(root))
    if (named.empty() || store.driver == named) out.push_back(open_part(root, store, options_of(store.driver)));
  if (!out.empty()) return out;
  if (const auto remapped = remapped_roots_in(open_root(root).get()); named.empty() && !remapped.empty())
    throw UserError(Errc::unsupported,
                    "migrating '" + printable(root) +
                        "': it holds only roots of engines with user namespaces; migrate each by itself: " +
                        paths_below(root, remapped));
  if (named.empty())
    throw UserError(Errc::unsupported,
                    "migrating '" + printable(root) + "': it holds no images; 'cairn scan' says what it is");
  throw UserError(Errc::not_found,
                  "migrating '" + printable(root) + "': it holds nothing of the driver '" + printable(named) + "'");
}

// In place the driver stays unless another is named. What is of the current layout then has nothing to be done to it.
std::string driver_in_place(const Globals& globals, const std::vector<MigrationPart>& parts, const std::string& root) {
  const std::string& driver = globals.driver.empty() ? parts.front().store.driver_name : globals.driver;
  std::string names;
  bool one = true, graph = false;
  for (const auto& part : parts) {
    one = one && part.store.driver_name == parts.front().store.driver_name;
    graph = graph || part.graph;
    names += (names.empty() ? "" : ", ") + part.name();
  }
  if (globals.driver.empty() && !one)
    throw UserError(Errc::invalid, "migrating '" + printable(root) + "' in place: it holds several drivers (" + names +
                                       "); say with --storage-driver which one it is to have");
  if (!graph && one && driver == parts.front().store.driver_name)
    throw UserError(Errc::invalid, "migrating '" + printable(root) +
                                       "' in place: it has the current layout and the driver " + driver +
                                       " already; --storage-driver names another");
  return driver;
}

}  // namespace

MigrationSides open_migration(const Globals& globals, const std::string& source, const std::string& source_driver,
                              const std::string& target) {
  refuse_other_name(source, target);
  MigrationSides sides;
  sides.in_place = target.empty();
  // Of --storage-opt the source gets what concerns its driver, unless the target elsewhere has the same driver.
  sides.parts = open_parts(source, source_driver, [&](const std::string& driver) {
    std::vector<std::string> options;
    if (sides.in_place || driver != globals.driver)
      std::copy_if(globals.storage_options.begin(), globals.storage_options.end(), std::back_inserter(options),
                   [&](const std::string& option) { return concerns(option, driver); });
    return options;
  });
  Globals of_target = globals;
  of_target.root = target;
  if (sides.in_place) {
    of_target.driver = driver_in_place(globals, sides.parts, source);
    sides.beside = std::any_of(sides.parts.begin(), sides.parts.end(),
                               [&](const MigrationPart& part) { return part.store.driver_name != of_target.driver; });
    if (!sides.beside) std::erase_if(sides.parts, [](const MigrationPart& part) { return !part.graph; });
    of_target.root = sides.beside ? StoreSwitch(without_trailing_slash(source)).staging().string() : source;
  }
  const Fd source_fd = open_root(source);
  if (const auto holder = engine_holding(source_fd.get()); holder && !sides.in_place)
    warn("an engine (" + printable(holder->program) + ", pid " + std::to_string(holder->pid) +
         ") has the source open; what it changes meanwhile may be missed");
  std::erase_if(of_target.storage_options, [&](const std::string& option) {
    return std::any_of(sides.parts.begin(), sides.parts.end(), [&](const MigrationPart& part) {
      return part.store.driver_name != of_target.driver && concerns(option, part.store.driver_name);
    });
  });
  sides.target = open_target(of_target, sides.in_place ? source : target);
  return sides;
}

}  // namespace cairn
