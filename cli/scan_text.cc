#include "cli/scan_text.h"

#include <fmt/format.h>

#include "cli/damage.h"
#include "cli/migration_text.h"
#include "cli/output/size.h"
#include "cli/output/table.h"
#include "core/util/error.h"

namespace cairn {

static Json json_of(const DriverScan& driver) {
  Json damage = Json::array(), repositories = Json::object();
  for (const auto& one : driver.damage) damage.push_back(json_of(one));
  for (const auto& [repository, names] : driver.repositories) {
    Json& entries = repositories[repository] = Json::object();
    for (const auto& [name, id] : names) entries[name] = id;
  }
  return {{"name", driver.name},
          {"layout", driver.layout},
          {"images", driver.images},
          {"layers", driver.layers},
          {"containers", driver.containers},
          {"taken_over", {{"images", driver.taken_over_images}, {"containers", driver.taken_over_containers}}},
          {"bytes", driver.bytes},
          {"repositories", repositories},
          {"damage", damage}};
}

static Json json_of(const ScanReport& report, const Advice& advice) {
  Json steps = Json::array();
  for (const auto& step : advice.steps) steps.push_back({{"command", step.command}, {"why", step.why}});
  return {{"why", advice.why},
          {"steps", steps},
          {"notes", advice.notes},
          {"estimate", report.estimate ? json_of(*report.estimate) : Json()},
          {"obstacle", text_or_null(report.obstacle)}};
}

Json json_of(const ScanReport& report) {
  const RootScan& scan = report.root;
  Json drivers = Json::array();
  for (const auto& driver : scan.drivers) drivers.push_back(json_of(driver));
  return {{"root", scan.root},         {"layout", scan.layout},
          {"drivers", drivers},        {"engine", text_or_null(scan.engine)},
          {"evidence", scan.evidence}, {"user_namespace_roots", scan.remapped},
          {"hints", scan.hints},       {"next", json_of(report, report.advice)}};
}

// What to do next, below what is there.
static std::string next_text(const ScanReport& report, unsigned jobs) {
  const Advice& advice = report.advice;
  std::string out = "\nNext:     " + advice.why + "\n";
  if (report.estimate)
    for (const auto& line : estimate_lines(*report.estimate, jobs)) out += "          " + line + "\n";
  if (!report.obstacle.empty()) out += "          but now: " + printable(report.obstacle, 1000) + "\n";
  for (const auto& step : advice.steps)
    out += "\n  " + printable(step.command, std::string::npos) + "\n      " + printable(step.why, 1000) + "\n";
  if (!advice.notes.empty()) out += "\n";
  for (const auto& note : advice.notes) out += "- " + printable(note, 2000) + "\n";
  return out;
}

std::string scan_text(const ScanReport& report, unsigned jobs) {
  const RootScan& scan = report.root;
  std::string out = fmt::format("Root:     {}\nLayout:   {}\n", printable(scan.root, std::string::npos), scan.layout);
  if (!scan.engine.empty()) out += fmt::format("Engine:   {}\n", printable(scan.engine));
  for (const auto& clue : scan.evidence) out += fmt::format("          {}\n", printable(clue));
  std::vector<Row> rows{{"DRIVER", "LAYOUT", "IMAGES", "LAYERS", "CONTAINERS", "SIZE", "DAMAGE"}};
  for (const auto& driver : scan.drivers)
    rows.push_back({printable(driver.name), driver.layout, std::to_string(driver.images), std::to_string(driver.layers),
                    std::to_string(driver.containers), human_size(driver.bytes), std::to_string(driver.damage.size())});
  if (rows.size() > 1) out += "\n" + format_table(rows);
  for (const auto& driver : scan.drivers)
    if (driver.taken_over_images > 0)
      out += fmt::format(
          "\n{} of {} images and {} of {} containers in graph/ ({}) were migrated by a later engine already.\n",
          driver.taken_over_images, driver.images, driver.taken_over_containers, driver.containers,
          printable(driver.name));
  if (!scan.remapped.empty()) out += "\n";
  for (const auto& name : scan.remapped)
    out += fmt::format("{}  the root of an engine with user namespaces, a store of its own: cairn scan {}\n", name,
                       shell_word((std::filesystem::path(scan.root) / name).string()));
  if (!scan.hints.empty()) out += "\n";
  for (const auto& hint : scan.hints) out += printable(hint, 1000) + "\n";
  return out + next_text(report, jobs);
}

}  // namespace cairn
