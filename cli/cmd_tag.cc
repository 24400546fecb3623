#include "cli/commands.h"
#include "cli/objects.h"
#include "cli/output/json.h"
#include "cli/output/terminal.h"
#include "cli/wiring.h"
#include "core/image/tag_image.h"

namespace cairn {
namespace {

struct Flags {
  std::string source, name;
};

Exit run(const Flags& flags, const Globals& globals) {
  const Reference name = as_named_by_user([&] { return parse_new_name(flags.name); });
  const auto progress = make_progress(ProgressStyle::none);
  const Store store = open_to_write(globals, *progress, IfAbsent::refuse);
  const CatalogImage image = Objects(store).image(flags.source);
  LayerStore layers = layers_of(store, globals, *progress);
  as_named_by_user([&] { tag_image(layers, *store.metadata, *ImageId::parse(image.id), name); });
  if (globals.json) print(json_document({{"id", image.id}, {"tag", name.familiar()}}));
  return Exit::done;
}

}  // namespace

Command tag_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app = program.add_subcommand("tag", "Give an image another name");
  app->add_option("source", flags->source, "Image by name or ID")->type_name("SOURCE")->required();
  app->add_option("name", flags->name, "Its new name; the tag is latest unless it is given")
      ->type_name("NAME[:TAG]")
      ->required();
  app->footer(
      "A name that exists moves to the image. With --json: an object with id and tag.\n\n"
      "Examples:\n"
      "  cairn tag app:1 registry.example:5000/team/app:stable\n"
      "  cairn tag 1a2b3c app");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
