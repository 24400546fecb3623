#include <fmt/format.h>
#include <unistd.h>

#include "cli/commands.h"
#include "cli/damage.h"
#include "cli/migration_report.h"
#include "cli/objects.h"
#include "cli/output/out_file.h"
#include "cli/output/terminal.h"
#include "cli/privilege.h"
#include "cli/wiring.h"
#include "core/layer/store_lock.h"

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
    throw UserError(Errc::invalid, "migrating '" + printable(flags.source) + "': --remove-source goes with --in-place only");
  if (flags.remove_source && (!flags.images.empty() || flags.no_containers))
    throw UserError(Errc::invalid, "migrating '" + printable(flags.source) + "': --remove-source would remove what --image or " +
                                       "--no-containers left behind");
}

// The directory made for a target goes again if nothing was put into it.
class TargetMade {
 public:
  explicit TargetMade(const Migration& migration) : path_(migration.target_made ? migration.target_root.string() : "") {}
  ~TargetMade() {
    if (!path_.empty()) ::rmdir(path_.c_str());
  }
  TargetMade(const TargetMade&) = delete;

 private:
  std::string path_;
};

MigrateOptions options_of(const Flags& flags, const Globals& globals, const Objects& objects) {
  MigrateOptions options;
  options.in_place = flags.in_place;
  options.containers = !flags.no_containers;
  options.verify = flags.verify || flags.remove_source;
  options.jobs = globals.jobs;
  for (const auto& reference : flags.images) options.images.push_back(objects.image(reference).id);
  return options;
}

void say(const MigrationOutcome& outcome, const Flags& flags, const Globals& globals) {
  for (const auto& line : outcome.complaints()) complain(line);
  const std::string json = json_document(outcome.document());
  if (!flags.report.empty()) {
    OutFile file(flags.report, "the report");
    file.write(json);
    file.commit();
  }
  print(globals.json ? json : outcome.summary());
}

Exit run(const Flags& flags, const Globals& globals) {
  require_root("migrating a store");
  check(flags);
  const Migration migration = open_migration(globals, flags.source, flags.source_driver, flags.target);
  const TargetMade cleanup(migration);
  const MigrateOptions options = options_of(flags, globals, Objects(migration.source));
  const MigrationSource source{migration.source.root, *migration.graph, *migration.source.driver};
  const int target_fd = migration.target_fd.get();
  const MigrationTarget target{migration.target_root, migration.target_driver(), *migration.target_metadata,
                               [target_fd] { refuse_if_engine_runs(target_fd); }};
  const MigrationPlan plan = plan_migration(source, target, options);
  if (!globals.json) print(plan_text(plan, migration.target_driver_name));
  if (flags.dry_run) {
    const MigrationOutcome outcome(plan);
    say(outcome, flags, globals);
    return outcome.exit();
  }
  auto progress = make_progress(globals.progress);
  const MigrationReport report = run_migration(plan, source, target, options, *progress);
  progress.reset();                            // bars are gone before anything else is written
  const MigrationOutcome outcome(report);
  say(outcome, flags, globals);
  if (flags.remove_source && report.complete()) remove_source(source, target, report);
  if (flags.remove_source && !report.complete()) complain("the source is kept, as not everything was migrated");
  return outcome.exit();
}

}  // namespace

Command migrate_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app = program.add_subcommand("migrate", "Carry a root of Docker 0.7 to 1.9 to the current layout");
  app->add_option("source", flags->source, "The old root; only read, unless --in-place is given")->type_name("SOURCE")->required();
  app->add_option("--to", flags->target, "The new root: absent, empty, or an unfinished or older migration of SOURCE, of "
                                         "which only what is missing is done")
      ->type_name("TARGET");
  app->add_flag("--in-place", flags->in_place, "Add the new files beside the old ones, with the driver SOURCE has");
  app->add_flag("--remove-source", flags->remove_source, "With --in-place: verify, then remove what only old engines read");
  app->add_option("--source-driver", flags->source_driver, "The driver to read, if SOURCE has several; --storage-driver is "
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
      "Image IDs, chain IDs, tags and containers are those Docker 1.10's own migration gives. May be interrupted and started\n"
      "again. What is damaged is named and stops only what needs it; the exit status is then 4.\n"
      "With --json: an object with images (source_id, image_id, tags, status, error), layers (source_id, diff_id, chain_id,\n"
      "cache_id, size, method, status, error), containers (id, name, image, status, error), damage (kind, object, detail),\n"
      "bytes_hashed, bytes_copied, files_linked and seconds. status is planned, migrated, exists, duplicate, skipped or failed.\n\n"
      "Examples:\n"
      "  cairn migrate /mnt/old/var/lib/docker --to /var/lib/docker --storage-driver overlay2 --dry-run\n"
      "  cairn migrate /mnt/old/var/lib/docker --to /var/lib/docker --storage-driver overlay2 --verify\n"
      "  cairn migrate /var/lib/docker --in-place");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
