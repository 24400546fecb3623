#include <fmt/format.h>

#include <algorithm>

#include "cli/commands.h"
#include "cli/migration_text.h"
#include "cli/objects.h"
#include "cli/output/out_file.h"
#include "cli/output/terminal.h"
#include "cli/privilege.h"
#include "cli/wiring.h"
#include "core/layer/store_lock.h"
#include "core/migrate/root_state.h"
#include "core/migrate/switch.h"

namespace cairn {
namespace {

struct Flags {
  std::string source, target, source_driver, report;
  bool in_place = false, remove_source = false, no_containers = false, verify = false, dry_run = false;
  bool rollback = false, strict = false;
  std::vector<std::string> images;
};

[[noreturn]] void refuse(const Flags& flags, const std::string& why) {
  throw UserError(Errc::invalid, "migrating '" + printable(flags.source) + "': " + why);
}

void check(const Flags& flags) {
  if (flags.in_place == !flags.target.empty()) refuse(flags, "say either --to TARGET or --in-place");
  if (flags.remove_source && !flags.in_place) refuse(flags, "--remove-source goes with --in-place only");
  if (flags.rollback && (!flags.in_place || flags.remove_source))
    refuse(flags, "--rollback goes with --in-place, and not with --remove-source");
  if (flags.remove_source && (!flags.images.empty() || flags.no_containers))
    refuse(flags, "--remove-source would remove what --image or --no-containers left behind");
}

MigrateOptions options_of(const Flags& flags, const Globals& globals, const MigrationSides& sides) {
  MigrateOptions options;
  options.in_place = sides.in_place && !sides.beside;
  options.beside = sides.beside;
  options.containers = !flags.no_containers;
  options.verify = flags.verify || flags.remove_source;
  options.jobs = globals.jobs;
  if (sides.in_place)
    options.state = sides.beside && has_old_volumes(sides.parts.front().store.root)
                        ? MigrateOptions::State::volumes_carried
                        : MigrateOptions::State::stays;
  return options;
}

// The images chosen that this part has. A name that none has is the first part's to refuse.
std::vector<std::string> images_in(const MigrationPart& part, const Flags& flags, bool only_part) {
  std::vector<std::string> out;
  const Objects objects(part.store);
  for (const auto& reference : flags.images) try {
      out.push_back(objects.image(reference).id);
    } catch (const UserError&) {
      if (only_part) throw;
    }
  return out;
}

struct PlannedPart {
  const MigrationPart* part;
  MigrateOptions options;
  MigrationPlan plan;
};

std::vector<PlannedPart> plan_all(const Flags& flags, const Globals& globals, const MigrationSides& sides) {
  std::vector<PlannedPart> out;
  const MigrationTarget target = sides.migration_target();
  for (const auto& part : sides.parts) {
    MigrateOptions options = options_of(flags, globals, sides);
    options.later_part = !out.empty();
    options.images = images_in(part, flags, sides.parts.size() == 1);
    if (!flags.images.empty() && options.images.empty()) continue;
    out.push_back({&part, options, part.plan(target, options)});
    if (!globals.json) print((out.size() > 1 ? "\n" : "") + plan_text(out.back().plan, part, sides));
  }
  if (out.empty()) refuse(flags, "no driver's store in it has such an image");
  return out;
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

MigrationReport run_all(const std::vector<PlannedPart>& planned, const MigrationSides& sides, const Globals& globals) {
  const MigrationTarget target = sides.migration_target();
  auto progress = make_progress(globals.progress);
  MigrationReport report;
  for (const auto& one : planned) append(report, one.part->run(one.plan, target, one.options, *progress));
  return report;
}

// --strict: nothing is begun where anything is damaged, left over or cannot come. Tells all of it.
bool is_refused(const MigrationReport& planned, const Flags& flags, const Globals& globals) {
  const auto failed = [](const auto& items) {
    return std::count_if(items.begin(), items.end(), [](const auto& item) { return item.status == "failed"; });
  };
  const auto left_over = std::count_if(planned.state.begin(), planned.state.end(),
                                       [](const MigratedState& one) { return one.kind == kLeftOverLayer; });
  const auto losses = failed(planned.images) + failed(planned.containers);
  if (planned.damage.empty() && losses + left_over == 0) return false;
  for (const auto& line : complaints(planned)) complain(line);
  if (globals.json) print(json_document(json_of(planned)));
  complain(
      fmt::format("migrating '{}': {} damaged, {} images and containers lost, {} layers left over, and --strict was "
                  "given: nothing was written; without it what is whole is carried over",
                  printable(flags.source), planned.damage.size(), losses, left_over));
  return true;
}

// In place: what was made beside the old store takes its place, and what the user no longer wants goes.
void settle(const Flags& flags, const MigrationSides& sides, const MigrationReport& report) {
  const MigrationPart& part = sides.parts.front();
  StoreSwitch store_switch(part.store.root);
  if (sides.beside) {
    sides.migration_target().guard();
    store_switch.start(sides.switched_parts());
  }
  if (!flags.remove_source) return;
  if (!report.complete()) return complain("the source is kept, as not everything was migrated");
  if (sides.beside)
    store_switch.forget_old();
  else
    remove_source({part.store.root, *part.graph, *part.store.driver}, sides.migration_target(), report);
}

Exit roll_back(const Flags& flags) {
  refuse_if_engine_runs(open_dir(flags.source).get());
  StoreSwitch(flags.source).roll_back();
  print("The old store is in place again; the new one is in " + flags.source + "/.cairn-switch/new.\n");
  return Exit::done;
}

Exit run(const Flags& flags, const Globals& globals) {
  require_root("migrating a store");
  check(flags);
  if (flags.in_place && !flags.dry_run && StoreSwitch(flags.source).state() == SwitchState::underway) {
    refuse_if_engine_runs(open_dir(flags.source).get());
    StoreSwitch(flags.source).finish();
  }
  if (flags.rollback) return roll_back(flags);
  MigrationSides sides = open_migration(globals, flags.source, flags.source_driver, flags.target);
  const auto planned = plan_all(flags, globals, sides);
  MigrationReport intended;
  for (const auto& one : planned) append(intended, as_report(one.plan));
  if (flags.strict && is_refused(intended, flags, globals)) return Exit::damage;
  if (flags.dry_run) return tell(intended, flags, globals);
  sides.make_target();
  const MigrationReport report = run_all(planned, sides, globals);
  const Exit exit = tell(report, flags, globals);
  if (sides.in_place) settle(flags, sides, report);
  return exit;
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
                "With --in-place: verify, then remove what only the old engine or driver reads");
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
  app->add_option("--report", flags->report, "Also write what --json prints to FILE")->type_name("FILE");
  app->footer(
      "Image IDs, chain IDs, tags and containers are those Docker 1.10's own migration gives. May be interrupted and "
      "started\n"
      "again. What is damaged is named, rebuilt where a hash proves it, and else stops only what needs it; the exit\n"
      "status is then 4. --strict refuses instead; --dry-run and 'cairn scan' say what each repair loses.\n"
      "Of --storage-opt, options of the source's driver go to the source where the target has another: dm.datadev and\n"
      "dm.metadatadev name copies of a pool's devices, say.\n"
      "With --json: an object with images (source_id, image_id, tags, status, error), layers (source_id, diff_id, "
      "chain_id,\n"
      "cache_id, size, method, status, error), containers (id, name, image_id, status, error), damage (kind, object, "
      "detail,\nrepair),\n"
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
