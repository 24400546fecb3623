#include "cli/commands.h"
#include "cli/objects.h"
#include "cli/output/json.h"
#include "cli/output/terminal.h"
#include "cli/wiring.h"

namespace cairn {
namespace {

struct Flags {
  std::string reference, name;
};

Exit run(const Flags& flags, const Globals& globals) {
  const auto progress = make_progress(ProgressStyle::none);
  const Store store = open_to_write(globals, *progress, IfAbsent::refuse);
  const Subject image = Objects(store).find(flags.reference, {true, false, true});
  if (image.layer && !image.chain)
    throw UserError(Errc::invalid, "creating a layer on " + image.label + ": no registered layer has that name");
  const ContainerBase base{image.chain, image.image ? ImageId::parse(image.image->id) : std::nullopt};
  LayerStore layers = layers_of(store, globals, *progress);
  const auto made = as_named_by_user([&] { return layers.create_container(flags.name, base); });
  if (globals.json)
    print(json_document({{"id", made.mount_id.str()}, {"name", made.name}}));
  else
    print(made.mount_id.str() + "\n");
  return Exit::done;
}

// The name below layerdb/mounts: an engine's container is there by its id, one of `cairn create` by its name.
std::string mount_name(const Store& store, const std::string& name) {
  const Subject subject = Objects(store).find(name, {false, true, false});
  const CatalogContainer& container = *subject.container;
  return container.name.empty() || store.metadata->layers().find_mount(container.id) ? container.id : container.name;
}

Exit run_rm(const std::vector<std::string>& names, const Globals& globals) {
  const auto progress = make_progress(ProgressStyle::none);
  const Store store = open_to_write(globals, *progress, IfAbsent::refuse);
  LayerStore layers = layers_of(store, globals, *progress);
  Tally tally;
  Json removed = Json::array(), failed = Json::array();
  for (const auto& name : names) {
    tally.attempt([&] {
      try {
        layers.remove_container(mount_name(store, name));
        removed.push_back(name);
        if (!globals.json) print(name + "\n");
      } catch (const Error& e) {
        failed.push_back({{"name", name}, {"error", e.what()}});
        throw;
      }
    });
  }
  if (globals.json) print(json_document({{"removed", removed}, {"failed", failed}}));
  return tally.for_writer();
}

}  // namespace

Command create_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app = program.add_subcommand("create", "Make a writable layer on an image and print its id");
  app->add_option("--name", flags->name, "A name to call it by; default: its id")->type_name("NAME");
  app->add_option("reference", flags->reference, "Image or layer it lies on")->type_name("REF")->required();
  app->footer(
      "The layer can be mounted, listed, compared and exported like a container; an engine ignores it.\n"
      "The image is noted with it, in layerdb/mounts/NAME/cairn-image, for `commit`, `ps` and `rmi`.\n"
      "With --json: an object with id and name.\n\n"
      "Examples:\n"
      "  cairn create busybox\n"
      "  cairn create --name build busybox:1.36 && cairn mount build /mnt");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

Command rm_command(CLI::App& program, const Globals& globals) {
  const auto names = std::make_shared<std::vector<std::string>>();
  CLI::App* app = program.add_subcommand("rm", "Remove containers and writable layers, with their files");
  app->add_option("name", *names, "Containers by name or id")->type_name("NAME")->required();
  app->footer(
      "What is mounted is not removed. All are tried; exit status 4 if only some could be removed.\n"
      "With --json: an object with removed and failed (name, error).\n\n"
      "Example:\n"
      "  cairn rm build web");
  return {app, [names, &globals] { return run_rm(*names, globals); }};
}

}  // namespace cairn
