#include "cli/commands.h"
#include "cli/migration_text.h"
#include "cli/objects.h"
#include "cli/output/out_file.h"
#include "cli/output/terminal.h"
#include "cli/privilege.h"
#include "cli/wiring.h"

namespace cairn {
namespace {

struct Flags {
  std::string source, target, source_driver, report;
  bool in_place = false, remove_source = false, no_containers = false, verify = false, dry_run = false;
  std::vector<std::string> images;
};

void check(const Flags& flags) {
  if (flags.in_place == !flags.target.empty())
    throw UserError(Errc::invalid, "migrating '" + printable(flags.source) + "': say either --to TARGET or --in-place");
  if (flags.remove_source && !flags.in_place)
    throw UserError(Errc::invalid,
                    "migrating '" + printable(flags.source) + "': --remove-source goes with --in-place only");
  if (flags.remove_source && (!flags.images.empty() || flags.no_containers))
    throw UserError(Errc::invalid, "migrating '" + printable(flags.source) +
                                       "': --remove-source would remove what --image or " +
                                       "--no-containers left behind");
}

MigrateOptions options_of(const Flags& flags, const Globals& globals, const Objects& objects) {
  MigrateOptions options;
  options.in_place = flags.in_place;
  options.containers = !flags.no_containers;
  options.verify = flags.verify || flags.remove_source;
  options.jobs = globals.jobs;
  for (const auto& reference : flags.images) options.images.push_back(objects.image(reference).id);
  return options;
}

Exit tell(const MigrationReport& report, const Flags& flags, const Globals& globals) {
  for (const auto& line : complaints(report)) complain(line);
  const std::string json = json_document(json_of(report));
  if (!flags.report.empty()) {
    OutFile file(flags.report, "the report");
    file.write(json);
    file.commit();
  }
  if (globals.json)
    print(json);
  else
    print(flags.dry_run ? "Nothing was written: --dry-run.\n" : "\n" + summary_text(report));
  return report.complete() ? Exit::done : Exit::partly;
}

Exit run(const Flags& flags, const Globals& globals) {
  require_root("migrating a store");
  check(flags);
  MigrationSides sides = open_migration(globals, flags.source, flags.source_driver, flags.target);
  const MigrateOptions options = options_of(flags, globals, Objects(sides.source));
  const MigrationSource source = sides.migration_source();
  const MigrationPlan plan = plan_migration(source, sides.migration_target(), options);
  if (!globals.json) print(plan_text(plan, source, sides.migration_target()));
  if (flags.dry_run) return tell(as_report(plan), flags, globals);
  sides.make_target();
  const MigrationTarget target = sides.migration_target();
  auto progress = make_progress(globals.progress);
  const MigrationReport report = run_migration(plan, source, target, options, *progress);
  progress.reset();  // bars are gone before anything else is written
  const Exit exit = tell(report, flags, globals);
  if (flags.remove_source && report.complete()) remove_source(source, target, report);
  if (flags.remove_source && !report.complete()) complain("the source is kept, as not everything was migrated");
  return exit;
}

}  // namespace

Command migrate_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app = program.add_subcommand("migrate", "Carry a root of Docker 0.7 to 1.9 to the current layout");
  app->add_option("source", flags->source, "The old root; only read, unless --in-place is given")
      ->type_name("SOURCE")
      ->required();
  app->add_option("--to", flags->target,
                  "The new root: absent, empty, or an unfinished or older migration of SOURCE, of "
                  "which only what is missing is done")
      ->type_name("TARGET");
  app->add_flag("--in-place", flags->in_place, "Add the new files beside the old ones, with the driver SOURCE has");
  app->add_flag("--remove-source", flags->remove_source,
                "With --in-place: verify, then remove what only old engines read");
  app->add_option("--source-driver", flags->source_driver,
                  "The driver to read, if SOURCE has several; --storage-driver is "
                  "the one to write")
      ->type_name("NAME");
  app->add_option("--image", flags->images, "Only this image and what it is built on; may be repeated")
      ->type_name("REF")
      ->allow_extra_args(false);
  app->add_flag("--no-containers", flags->no_containers, "Only images; no containers and no volumes");
  app->add_flag("--verify", flags->verify, "Read every layer back from the target and compare");
  app->add_flag("--dry-run", flags->dry_run, "Only say what would be done, and the space and time it takes");
  app->add_option("--report", flags->report, "Also write what --json prints to FILE")->type_name("FILE");
  app->footer(
      "Image IDs, chain IDs, tags and containers are those Docker 1.10's own migration gives. May be interrupted and "
      "started\n"
      "again. What is damaged is named and stops only what needs it; the exit status is then 4.\n"
      "Of --storage-opt, options of the source's driver go to the source where the target has another: dm.datadev and\n"
      "dm.metadatadev name copies of a pool's devices, say.\n"
      "With --json: an object with images (source_id, image_id, tags, status, error), layers (source_id, diff_id, "
      "chain_id,\n"
      "cache_id, size, method, status, error), containers (id, name, image_id, status, error), damage (kind, object, "
      "detail),\n"
      "bytes_hashed, bytes_copied, files_linked and seconds. status is planned, migrated, exists, duplicate, skipped "
      "or failed.\n\n"
      "Examples:\n"
      "  cairn migrate /mnt/old/var/lib/docker --to /var/lib/docker --storage-driver overlay2 --dry-run\n"
      "  cairn migrate /mnt/old/var/lib/docker --to /var/lib/docker --storage-driver overlay2 --verify\n"
      "  cairn migrate /mnt/old/docker --to /srv/docker -s overlay2 --storage-opt dm.datadev=/mnt/tdata \\\n"
      "    --storage-opt dm.metadatadev=/mnt/tmeta\n"
      "  cairn migrate /var/lib/docker --in-place");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
