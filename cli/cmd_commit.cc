#include "cli/commands.h"
#include "cli/creation_time.h"
#include "cli/made_image.h"
#include "cli/objects.h"
#include "cli/wiring.h"
#include "core/image/commit.h"
#include "core/image/instructions.h"
#include "core/image/tag_image.h"
#include "core/json/go_json.h"
#include "core/util/remapped_root.h"

namespace cairn {
namespace {

struct Flags {
  std::string container, name;
  CommitOptions options;
};

// What `cairn create` made has no configuration of its own.
std::optional<std::string> own_config(const Store& store, const std::string& id) {
  try {
    const auto members = go_json::object(store.catalog->container_config(id));
    const auto config = members.find("Config");
    if (config == members.end()) throw Error(Errc::corrupt, "reading container '" + id + "': it has no Config");
    return config->second;
  } catch (const Error& e) {
    if (e.code() != Errc::not_found) throw;
    return std::nullopt;
  }
}

CommitSource source_of(const Store& store, const Objects& objects, const CatalogContainer& container) {
  auto mount = store.metadata->layers().find_mount(container.id);
  if (!mount && !container.name.empty()) mount = store.metadata->layers().find_mount(container.name);
  if (!mount)
    throw Error(Errc::corrupt, "reading container '" + printable(container.id) + "': it has no writable layer");
  CommitSource source{container.id, *std::move(mount), std::nullopt, own_config(store, container.id)};
  for (const auto& image : objects.images())
    if (image.id == container.image) source.image = ImageId::parse(image.id);
  return source;
}

Exit run(const Flags& flags, const Globals& globals) {
  const auto name =
      as_named_by_user([&] { return flags.name.empty() ? std::nullopt : std::optional(parse_new_name(flags.name)); });
  if (remapped_root(std::filesystem::path(globals.root)))
    throw UserError(Errc::unsupported, "committing to '" + printable(globals.root) +
                                           "': the owners of files in this store are shifted (--userns-remap)");
  CommitOptions options = flags.options;
  as_named_by_user([&] { return apply_instructions({}, options.changes); });  // mistakes are said before work begins
  options.created = creation_time();
  auto progress = make_progress(globals.progress);
  const Store store = open_to_write(globals, *progress, IfAbsent::refuse);
  const Objects objects(store);
  const Subject subject = objects.find(flags.container, {false, true, false});
  LayerStore layers = layers_of(store, globals, *progress);
  const ImageId id = while_doing([&] { return "committing " + subject.label; },
                                 [&] {
                                   return commit_container(source_of(store, objects, *subject.container), options,
                                                           *store.driver, layers, *store.metadata);
                                 });
  if (name) tag_image(layers, *store.metadata, id, *name);
  progress.reset();  // bars are gone before anything else is written
  print_made(id, name, globals);
  return Exit::done;
}

}  // namespace

Command commit_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app = program.add_subcommand("commit", "Make an image of what was changed in a container and print its ID");
  app->add_option("-a,--author", flags->options.author, "Who made it, 'Name <mail@example>'")->type_name("AUTHOR");
  app->add_option("-m,--message", flags->options.message, "Comment of this step")->type_name("TEXT");
  add_change_flag(*app, flags->options.changes);
  app->add_option("container", flags->container, "Container by name or ID")->type_name("CONTAINER")->required();
  app->add_option("name", flags->name, "A name for the image; one that exists moves")->type_name("NAME[:TAG]");
  app->footer(
      "The image has the layers of the container's image and one of the changes, if there are any, and is run as the\n"
      "container is; a layer of `cairn create` is run as its image is. Volumes are not part of it, nor what engines "
      "put\n"
      "into every container. A container whose image is gone becomes an image without that one's history.\n"
      "$SOURCE_DATE_EPOCH, if set, is the time it was made. With --json: an object with id and tag.\n\n"
      "Examples:\n"
      "  cairn commit web web:fixed -m 'with the new certificate'\n"
      "  cairn commit -c 'ENV DEBUG=1' -c 'CMD [\"sh\"]' build build:debug");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
