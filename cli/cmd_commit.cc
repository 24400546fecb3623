#include <algorithm>

#include "cli/commands.h"
#include "cli/container_config.h"
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

// How the container is run; what `cairn create` made does not say.
std::optional<std::string> own_config(const Store& store, const std::string& id) {
  const auto text = container_config(store, id);
  if (!text) return std::nullopt;
  const auto members = go_json::object(*text);
  const auto config = members.find("Config");
  if (config == members.end()) throw Error(Errc::corrupt, "reading container '" + id + "': it has no Config");
  return config->second;
}

// "sha256:… (app:1), sha256:… and 3 more".
std::string list_of(const std::vector<std::string>& ids, const Objects& objects) {
  constexpr size_t kShown = 5;
  std::string out;
  for (size_t i = 0; i < std::min(ids.size(), kShown); ++i) {
    out += (i == 0 ? "" : ", ") + ids[i];
    for (const auto& image : objects.images())
      if (image.id == ids[i] && !image.tags.empty()) out += " (" + printable(image.tags[0], 80) + ")";
  }
  return ids.size() > kShown ? out + " and " + std::to_string(ids.size() - kShown) + " more" : out;
}

// Any of them would give it another configuration and history, and be its parent.
void refuse_unknown_image(const CatalogContainer& container, const Objects& objects) {
  if (container.may_be_of.empty()) return;
  throw Error(Errc::invalid,
              "nothing says which of the images that have its layers it was made from: " +
                  list_of(container.may_be_of, objects) +
                  "; `cairn create IMAGE` makes a layer that knows, for its changes to be copied into, and "
                  "`cairn export` with `cairn import` an image without any's history");
}

CommitSource source_of(const Store& store, const Objects& objects, const CatalogContainer& container) {
  auto mount = store.metadata->layers().find_mount(container.id);
  if (!mount && !container.name.empty()) mount = store.metadata->layers().find_mount(container.name);
  if (!mount)
    throw Error(Errc::corrupt, "reading container '" + printable(container.id) + "': it has no writable layer");
  CommitSource source{container.id, *std::move(mount), std::nullopt, own_config(store, container.id)};
  refuse_unknown_image(container, objects);
  for (const auto& image : objects.images())
    if (image.id == container.image) source.image = ImageId::parse(image.id);
  return source;
}

ImageId commit(const Subject& subject, const CommitOptions& options, const Store& store, const Objects& objects,
               LayerStore& layers) {
  const auto doing = [&] { return "committing " + subject.label; };
  const auto source = as_named_by_user(
      [&] { return while_doing(doing, [&] { return source_of(store, objects, *subject.container); }); });
  const auto config = while_doing(doing, [&] { return config_before(source, *store.metadata); });
  // Mistakes are said before a layer is made.
  as_named_by_user([&] { while_doing(doing, [&] { apply_instructions(config, options.changes); }); });
  return while_doing(doing, [&] { return commit_container(source, options, *store.driver, layers, *store.metadata); });
}

Exit run(const Flags& flags, const Globals& globals) {
  const auto name =
      as_named_by_user([&] { return flags.name.empty() ? std::nullopt : std::optional(parse_new_name(flags.name)); });
  if (remapped_root(std::filesystem::path(globals.root)))
    throw UserError(Errc::unsupported, "committing to '" + printable(globals.root) +
                                           "': the owners of files in this store are shifted (--userns-remap)");
  CommitOptions options = flags.options;
  options.created = creation_time();
  auto progress = make_progress(globals.progress);
  const Store store = open_to_write(globals, *progress, IfAbsent::refuse);
  const Objects objects(store);
  const Subject subject = objects.find(flags.container, {false, true, false});
  LayerStore layers = layers_of(store, globals, *progress);
  const ImageId id = commit(subject, options, store, objects, layers);
  finish_made(id, name, layers, *store.metadata, std::move(progress), globals);
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
      "A layer that earlier versions made does not say which image it is of; if several have its layers, it is "
      "refused.\n"
      "$SOURCE_DATE_EPOCH, if set, is the time it was made. With --json: an object with id and tag.\n\n"
      "Examples:\n"
      "  cairn commit web web:fixed -m 'with the new certificate'\n"
      "  cairn commit -c 'ENV DEBUG=1' -c 'CMD [\"sh\"]' build build:debug");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
