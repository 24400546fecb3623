#include <fmt/chrono.h>
#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "cli/commands.h"
#include "cli/damage.h"
#include "cli/migrate_in_place.h"
#include "cli/migration_text.h"
#include "cli/open_migration.h"
#include "cli/output/out_file.h"
#include "cli/output/terminal.h"
#include "cli/planned_parts.h"
#include "cli/privilege.h"
#include "cli/report/page.h"

namespace cairn {
namespace {

struct Flags {
  std::string source, target, source_driver, report;
  bool in_place = false, remove_source = false, no_containers = false, verify = false, dry_run = false;
  bool rollback = false, strict = false;
  std::vector<std::string> images;

  InPlace as_in_place() const { return {source, remove_source, rollback}; }
};

[[noreturn]] void refuse(const Flags& flags, const std::string& why) {
  throw UserError(Errc::invalid, "migrating '" + printable(flags.source) + "': " + why);
}

void check(const Flags& flags) {
  if (flags.in_place == !flags.target.empty()) refuse(flags, "say either --to TARGET or --in-place");
  if (flags.remove_source && !flags.in_place) refuse(flags, "--remove-source goes with --in-place only");
  if (flags.rollback && (!flags.in_place || flags.remove_source || flags.dry_run))
    refuse(flags, "--rollback goes with --in-place, and not with --remove-source or --dry-run");
  if (flags.remove_source && (!flags.images.empty() || flags.no_containers))
    refuse(flags, "--remove-source would remove what --image or --no-containers left behind");
}

MigrateOptions options_of(const Flags& flags, const Globals& globals, const MigrationSides& sides) {
  MigrateOptions options = sides.options(globals.jobs);
  options.containers = !flags.no_containers;
  options.verify = flags.verify || flags.remove_source;
  return options;
}

MigrationFrame frame_of(const Flags& flags, const MigrationSides& sides) {
  MigrationFrame frame;
  for (const auto& part : sides.parts) frame.source_drivers += (frame.source_drivers.empty() ? "" : ", ") + part.name();
  frame.source = sides.parts.front().store.root.string();
  frame.target = sides.in_place ? frame.source : sides.target.root.string();
  frame.target_driver = sides.target.driver_name;
  frame.in_place = sides.in_place;
  frame.dry_run = flags.dry_run;
  frame.verified = flags.verify || flags.remove_source;
  const std::time_t now = std::time(nullptr);
  frame.started = fmt::format("{:%Y-%m-%dT%H:%M:%SZ}", fmt::gmtime(now));
  return frame;
}

Exit tell(const MigrationReport& report, const MigrationFrame& frame, const std::optional<Estimate>& estimate,
          const Flags& flags, const Globals& globals) {
  for (const auto& line : complaints(report)) complain(line);
  Json json = json_of(report, frame);
  if (estimate) json["estimate"] = json_of(*estimate);
  if (!flags.report.empty()) {
    OutFile file(flags.report, "the report");
    file.write(flags.report.ends_with(".html") ? report_page(report, frame) : json_document(json));
    file.commit();
  }
  if (globals.json)
    print(json_document(json));
  else
    print(flags.dry_run ? "Nothing was written: --dry-run.\n" : "\n" + summary_text(report));
  return report.complete() ? Exit::done : Exit::partly;
}

MigrationReport run_all(const std::vector<PlannedPart>& planned, const MigrationSides& sides, const Globals& globals) {
  const MigrationTarget target = sides.migration_target();
  auto progress = make_progress(globals.progress);
  MigrationReport report;
  for (const auto& one : planned) report.append(one.part->run(one.plan, target, one.options, *progress));
  return report;
}

// --strict: nothing is begun where anything is damaged, left over or cannot come. Tells all of it.
bool is_refused(const MigrationReport& planned, const MigrationFrame& frame, const Flags& flags,
                const Globals& globals) {
  const auto failed = [](const auto& items) {
    return std::count_if(items.begin(), items.end(), [](const auto& item) { return item.status == "failed"; });
  };
  const auto left_over = std::count_if(planned.state.begin(), planned.state.end(),
                                       [](const MigratedState& one) { return one.kind == kLeftOverLayer; });
  const auto losses = failed(planned.images) + failed(planned.containers);
  if (planned.damage.empty() && losses + left_over == 0) return false;
  for (const auto& line : complaints(planned)) complain(line);
  if (globals.json) print(json_document(json_of(planned, frame)));
  complain(
      fmt::format("migrating '{}': {} damaged, {} images and containers lost, {} layers left over, and --strict was "
                  "given: nothing was written; without it what is whole is carried over",
                  printable(flags.source), planned.damage.size(), losses, left_over));
  return true;
}

Exit interrupted(const Flags& flags) {
  complain("interrupted; what is done is kept: run the same command again to go on" +
           (flags.in_place ? std::string("; the old store is still in place")
                           : ", or remove '" + printable(flags.target) + "' to give up"));
  return Exit::interrupted;
}

Exit migrate(const Flags& flags, const Globals& globals) {
  if (flags.in_place && !flags.dry_run)
    if (const auto exit = go_on_in_place(flags.as_in_place(), globals)) return *exit;
  MigrationSides sides = open_migration(globals, flags.source, flags.source_driver, flags.target);
  size_t count = 0;
  const auto planned = plan_parts(sides, options_of(flags, globals, sides), flags.images, [&](const PlannedPart& one) {
    if (!globals.json) print((count++ > 0 ? "\n" : "") + plan_text(one.plan, *one.part, sides));
  });
  const MigrationFrame frame = frame_of(flags, sides);
  MigrationReport intended;
  Estimate estimate;
  for (const auto& one : planned) intended.append(as_report(one.plan)), estimate.add(one.plan);
  if (flags.strict && is_refused(intended, frame, flags, globals)) return Exit::damage;
  if (flags.dry_run) return tell(intended, frame, estimate, flags, globals);
  sides.make_target();
  const MigrationReport report = run_all(planned, sides, globals);
  const Exit exit = tell(report, frame, std::nullopt, flags, globals);
  if (sides.in_place) settle(flags.as_in_place(), sides, report);
  return exit;
}

Exit run(const Flags& flags, const Globals& globals) {
  require_root("migrating a store");
  check(flags);
  try {
    return migrate(flags, globals);
  } catch (const Error& e) {
    if (e.code() != Errc::interrupted) throw;
    return interrupted(flags);
  }
}

}  // namespace

Command migrate_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app =
      program.add_subcommand("migrate", "Carry a root of Docker 0.7 to 28 to the current layout, with any driver");
  app->add_option("source", flags->source, "The old root; only read, unless --in-place is given")
      ->type_name("SOURCE")
      ->required();
  app->add_option("--to", flags->target,
                  "The new root: absent, empty, or an unfinished or older migration of SOURCE, of "
                  "which only what is missing is done")
      ->type_name("TARGET");
  app->add_flag("--in-place", flags->in_place,
                "In SOURCE itself: with its own driver new files are added beside the old ones; for another "
                "--storage-driver a new store is made from links, and exchanged for the old one in one step");
  app->add_flag("--remove-source", flags->remove_source,
                "With --in-place: verify, then remove what only the old engine or driver reads; also later, of what an "
                "earlier run migrated");
  app->add_flag("--rollback", flags->rollback,
                "With --in-place: undo the exchange, as long as the source is not removed");
  app->add_option("--source-driver", flags->source_driver,
                  "The driver to read, if SOURCE has several; --storage-driver is "
                  "the one to write")
      ->type_name("NAME");
  app->add_option("--image", flags->images, "Only this image and what it is built on; may be repeated")
      ->type_name("REF")
      ->allow_extra_args(false);
  app->add_flag("--no-containers", flags->no_containers, "Only images; no containers and no volumes");
  app->add_flag("--verify", flags->verify, "Read every layer back from the target and compare");
  app->add_flag("--strict", flags->strict,
                "Refuse a source in which anything is damaged, before anything is written: exit status 3");
  app->add_flag("--dry-run", flags->dry_run, "Only say what would be done, and the space and time it takes");
  app->add_option("--report", flags->report,
                  "Also write a report to FILE: for people if its name ends in .html, else what --json prints")
      ->type_name("FILE");
  app->footer(
      "Image IDs, chain IDs, tags and containers are those Docker 1.10's own migration gives; a root of the current "
      "layout\n"
      "keeps all of its own. May be interrupted and started again: what is done is not done twice. What is damaged is\n"
      "named, rebuilt where a hash proves it, and else stops only what needs it; the exit status is then 4. --strict\n"
      "refuses instead; --dry-run and 'cairn scan' say what each repair loses. While it works, standard error shows "
      "what\n"
      "each worker does and how much of the whole is done.\n\n"
      "A root may hold stores of several drivers, and of both layouts where an engine of 1.10 to 18.09 migrated a "
      "graph: "
      "all\n"
      "become one, what several have comes once, and a tag goes where the first has it. The root of an engine with "
      "user\n"
      "namespaces, ROOT/100000.100000, is a SOURCE of its own, and goes --to a directory of that name.\n\n"
      "In place, for another --storage-driver, the old store is kept in SOURCE/.cairn-switch: start the engine, look\n"
      "around, and then either --rollback, or --remove-source, which first reads every layer of the new store back.\n\n"
      "Of --storage-opt, options of the source's driver go to the source where the target has another: dm.datadev and\n"
      "dm.metadatadev name copies of a pool's devices, say.\n\n"
      "--report FILE.html is one page that needs nothing else: what came over, what did not and why, which layers the\n"
      "images share, the checks made.\n\n"
      "With --json: an object with images (source_id, image_id, tags, status, error, layer), layers (source_id, "
      "diff_id,\n"
      "chain_id, cache_id, size, method, status, error, parent), containers (id, name, image_id, status, error, "
      "bytes),\n"
      "state (kind, name, status, error, bytes), damage (kind, object, detail, repair), bytes_hashed, bytes_copied,\n"
      "files_linked, seconds, complete, source (root, drivers), target (root, driver), in_place, dry_run, verified,\n"
      "started and cairn, its version; with --dry-run also estimate, as scan gives it. status is planned, migrated,\n"
      "exists, duplicate, skipped, left or failed.\n\n"
      "Examples:\n"
      "  cairn migrate /mnt/old/var/lib/docker --to /var/lib/docker --storage-driver overlay2 --dry-run\n"
      "  cairn migrate /mnt/old/var/lib/docker --to /var/lib/docker --storage-driver overlay2 --verify --report "
      "new.html\n"
      "  cairn migrate /mnt/old/docker --to /srv/docker -s overlay2 --storage-opt dm.datadev=/mnt/tdata \\\n"
      "    --storage-opt dm.metadatadev=/mnt/tmeta\n"
      "  cairn migrate /var/lib/docker --in-place --storage-driver overlay2\n"
      "  cairn migrate /var/lib/docker --in-place --rollback\n"
      "  cairn migrate /var/lib/docker --in-place --remove-source");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
