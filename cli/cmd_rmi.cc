#include "cli/commands.h"
#include "cli/output/json.h"
#include "cli/output/terminal.h"
#include "cli/wiring.h"
#include "core/image/remove_image.h"
#include "core/util/interrupt.h"

namespace cairn {
namespace {

struct Flags {
  bool force = false, no_prune = false;
  std::vector<std::string> references;
};

struct Done {
  Json untagged = Json::array(), deleted = Json::array(), failed = Json::array();
};

void remove_one(ImageRemover& remover, const std::string& reference, const Globals& globals, Done& done) {
  const RemovedImages removed = as_named_by_user([&] { return remover.remove(reference); });
  for (const auto& name : removed.untagged) done.untagged.push_back(name);
  for (const auto& id : removed.deleted) done.deleted.push_back(id);
  if (globals.json) return;
  for (const auto& line : removed.lines()) print(printable(line, std::string::npos) + "\n");
}

Exit run(const Flags& flags, const Globals& globals) {
  const auto progress = make_progress(ProgressStyle::none);
  const Store store = open_to_write(globals, *progress, IfAbsent::refuse);
  LayerStore layers = layers_of(store, globals, *progress);
  ImageRemover remover(*store.catalog, *store.metadata, *store.driver, layers, {flags.force, !flags.no_prune});
  Tally tally;
  Done done;
  for (const auto& reference : flags.references)
    tally.attempt([&] {
      check_interrupt();
      try {
        remove_one(remover, reference, globals, done);
      } catch (const Error& e) {
        if (flags.force && e.code() == Errc::not_found) return warn(e.what());  // it is not there, as it was to be
        done.failed.push_back({{"image", reference}, {"error", e.what()}});
        throw;
      }
    });
  if (const auto why = remover.layers_kept(); !why.empty() && !done.deleted.empty())
    warn("layers of removed images stay in the store: " + why);
  if (globals.json)
    print(json_document({{"untagged", done.untagged}, {"deleted", done.deleted}, {"failed", done.failed}}));
  return tally.for_writer();
}

}  // namespace

Command rmi_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app = program.add_subcommand("rmi", "Remove names of images, and images that have none left");
  app->add_flag("-f,--force", flags->force,
                "Also when a container at rest uses the image, or it has names in several repositories; one that is "
                "not there is no mistake");
  app->add_flag("--no-prune", flags->no_prune, "Keep parents without a name, too");
  app->add_option("reference", flags->references, "Images by name[:tag][@digest] or ID")->type_name("REF")->required();
  app->footer(
      "By docker's rules. A name goes; with an image's last one go its configuration, those of its parents that have "
      "no\n"
      "other use, and the layers that nothing else needs. An ID takes all names along if they are of one repository.\n"
      "An image that others were made from, or a running container uses, is never removed; a container that is "
      "stopped\n"
      "or was never started keeps the image unless -f is given. Layers that are mounted keep it, too. Names that lead\n"
      "to no image, and damaged images, can be removed like any other.\n"
      "Prints 'Untagged: NAME' and 'Deleted: ID', of images and of layers. All REFs are tried; exit status 4 if only\n"
      "some could be removed. With --json: an object with untagged, deleted and failed (image, error).\n\n"
      "Examples:\n"
      "  cairn rmi app:1 app:2\n"
      "  cairn rmi $(cairn images -q --filter dangling=true)");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
