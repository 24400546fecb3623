#include <unistd.h>

#include "cli/commands.h"
#include "cli/damage.h"
#include "cli/open_migration.h"
#include "cli/output/terminal.h"
#include "cli/planned_parts.h"
#include "cli/privilege.h"
#include "cli/root_scan.h"
#include "cli/scan_text.h"
#include "cli/surroundings.h"

namespace cairn {
namespace {

// The plan of the way that is advised, as a dry run of it would make it.
void add_estimate(ScanReport& report, const Globals& globals) {
  if (!report.advice.way) return;
  if (::geteuid() != 0) {
    report.obstacle = "space and time are estimated for root only";
    return;
  }
  const Way& way = *report.advice.way;
  try {
    Globals as_advised = globals;
    as_advised.driver = way.driver;
    const MigrationSides sides = open_migration(as_advised, report.root.root, globals.driver, way.target);
    Estimate estimate;
    MigrateOptions options = sides.options(globals.jobs);
    options.verify = true;
    for (const auto& part : plan_parts(sides, options)) estimate.add(part.plan);
    report.estimate = estimate;
  } catch (const Error& e) {
    if (e.code() == Errc::interrupted) throw;
    report.obstacle = e.what();
  }
}

Exit run(const std::string& root, const Globals& globals) {
  require_readable(root);
  ScanReport report;
  report.root = scan_of(root, globals);
  report.advice = advise(report.root, surroundings_of(root, globals));
  add_estimate(report, globals);
  print(globals.json ? json_document(json_of(report)) : scan_text(report, globals.jobs));
  Exit exit = Exit::done;
  for (const auto& driver : report.root.drivers)
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
      "Reads any root of Docker 0.7 to 28 and writes nothing. Says what is there, what a migration of it takes in "
      "space\n"
      "and time on this disk, and the command lines to run next. The time is estimated from files of the store that "
      "are\n"
      "read and hashed for a fraction of a second. Damage is listed on standard error; exit status 3 if there is any.\n"
      "With --json: an object with root, layout (graph, content-addressed, mixed or empty), engine, evidence, hints,\n"
      "user_namespace_roots (names of directories in it that are roots of their own, '100000.100000'),\n"
      "drivers, whose objects have name, layout, images, layers, containers, taken_over (images and containers of a "
      "graph\n"
      "that a later engine migrated), bytes, repositories and damage (kind, object, detail, and repair: what migrating "
      "does\n"
      "about it, and what that loses), and next: why, steps (command, why), "
      "notes,\n"
      "obstacle and estimate (bytes_to_hash, bytes_to_copy, bytes_free, layers_of_unknown_size,\n"
      "containers_of_unknown_size, links (none, hard, reflink), seconds and sample).\n\n"
      "Examples:\n"
      "  cairn scan\n"
      "  cairn scan /mnt/old-disk/var/lib/docker --json");
  return {app, [root, &globals] { return run(root->empty() ? globals.root : *root, globals); }};
}

}  // namespace cairn
