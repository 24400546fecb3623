#include <fmt/format.h>

#include "cli/commands.h"
#include "cli/damage.h"
#include "cli/output/json.h"
#include "cli/output/size.h"
#include "cli/output/table.h"
#include "cli/output/terminal.h"
#include "cli/privilege.h"
#include "cli/wiring.h"

namespace cairn {
namespace {

Json document(const RootScan& scan) {
  Json drivers = Json::array();
  for (const auto& driver : scan.drivers) {
    Json damage = Json::array(), repositories = Json::object();
    for (const auto& one : driver.damage) damage.push_back(json_of(one));
    for (const auto& [repository, names] : driver.repositories) {
      Json& entries = repositories[repository] = Json::object();
      for (const auto& [name, id] : names) entries[name] = id;
    }
    drivers.push_back({{"name", driver.name},
                       {"layout", driver.layout},
                       {"images", driver.images},
                       {"layers", driver.layers},
                       {"containers", driver.containers},
                       {"bytes", driver.bytes},
                       {"repositories", repositories},
                       {"damage", damage}});
  }
  return {{"root", scan.root},         {"layout", scan.layout},
          {"drivers", drivers},        {"engine", text_or_null(scan.engine)},
          {"evidence", scan.evidence}, {"hints", scan.hints}};
}

std::string text(const RootScan& scan) {
  std::string out = fmt::format("Root:     {}\nLayout:   {}\n", printable(scan.root, std::string::npos), scan.layout);
  if (!scan.engine.empty()) out += fmt::format("Engine:   {}\n", printable(scan.engine));
  for (const auto& clue : scan.evidence) out += fmt::format("          {}\n", printable(clue));
  std::vector<Row> rows{{"DRIVER", "LAYOUT", "IMAGES", "LAYERS", "CONTAINERS", "SIZE", "DAMAGE"}};
  for (const auto& driver : scan.drivers)
    rows.push_back({printable(driver.name), driver.layout, std::to_string(driver.images), std::to_string(driver.layers),
                    std::to_string(driver.containers), human_size(driver.bytes), std::to_string(driver.damage.size())});
  if (rows.size() > 1) out += "\n" + format_table(rows);
  if (!scan.hints.empty()) out += "\n";
  for (const auto& hint : scan.hints) out += printable(hint, 1000) + "\n";
  return out;
}

Exit run(const std::string& root, const Globals& globals) {
  require_readable(root);
  const RootScan scan = scan_of(root, globals);
  print(globals.json ? json_document(document(scan)) : text(scan));
  Exit exit = Exit::done;
  for (const auto& driver : scan.drivers)
    for (const auto& one : driver.damage) {
      complain(driver.name + ": " + describe(one));
      exit = Exit::damage;
    }
  return exit;
}

}  // namespace

Command scan_command(CLI::App& program, const Globals& globals) {
  const auto root = std::make_shared<std::string>();
  CLI::App* app =
      program.add_subcommand("scan", "Say what a data root is: engines, drivers, images, containers, sizes, damage");
  app->add_option("root", *root, "The data root; default: that of --root")->type_name("ROOT");
  app->footer(
      "Reads any root of Docker 0.7 to 28 and writes nothing. Damage is listed on standard error; exit status 3 if "
      "there is\n"
      "any. With --json: an object with root, layout (graph, content-addressed, mixed or empty), engine, evidence, "
      "hints and\n"
      "drivers, whose objects have name, layout, images, layers, containers, bytes, repositories and damage (kind, "
      "object,\n"
      "detail, and repair: what migrating does about it, and what that loses).\n\n"
      "Examples:\n"
      "  cairn scan\n"
      "  cairn scan /mnt/old-disk/var/lib/docker --json");
  return {app, [root, &globals] { return run(root->empty() ? globals.root : *root, globals); }};
}

}  // namespace cairn
