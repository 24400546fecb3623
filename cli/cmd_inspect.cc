#include "cli/commands.h"
#include "cli/container_config.h"
#include "cli/inspect_fields.h"
#include "cli/objects.h"
#include "cli/output/json.h"
#include "cli/output/template.h"
#include "cli/output/terminal.h"
#include "cli/wiring.h"

namespace cairn {
namespace {

struct Flags {
  std::string type, format;
  std::vector<std::string> names;
};

Json member(const Json& object, const char* key) {
  const auto found = object.is_object() ? object.find(key) : object.end();
  return found == object.end() ? Json() : *found;
}

Json text_member(const Json& object, const char* key) {
  const Json value = member(object, key);
  return value.is_string() ? value : Json("");
}

Json graph_driver(const Store& store, const std::optional<LayerId>& layer, const std::optional<LayerId>& init) {
  Json data = Json::object();
  if (layer) data["LayerID"] = layer->str();
  if (init) data["InitID"] = init->str();
  return {{"Name", store.driver_name}, {"Data", data}};
}

// Docker's keys, in Docker's order.
Json inspect_image(const Store& store, const CatalogImage& image) {
  const Json config = read_json(store.catalog->image_config(image.id), "the configuration of image '" + image.id + "'");
  Json layers = member(member(config, "rootfs"), "diff_ids");
  auto comment = text_member(config, "comment").get<std::string>();
  const Json history = member(config, "history");
  if (comment.empty() && history.is_array() && !history.empty())
    comment = text_member(history.back(), "comment").get<std::string>();
  return {{"Id", image.id},
          {"RepoTags", image.tags},
          {"RepoDigests", image.digests},
          {"Parent", image.parent.value_or("")},
          {"Comment", std::move(comment)},
          {"Created", image.created},
          {"Container", text_member(config, "container")},
          {"ContainerConfig", member(config, "container_config")},
          {"DockerVersion", text_member(config, "docker_version")},
          {"Author", text_member(config, "author")},
          {"Config", member(config, "config")},
          {"Architecture", text_member(config, "architecture")},
          {"Variant", text_member(config, "variant")},
          {"Os", text_member(config, "os")},
          {"Size", image.size},
          {"VirtualSize", image.size},
          {"GraphDriver", graph_driver(store, image.top, std::nullopt)},
          {"RootFS", {{"Type", "layers"}, {"Layers", layers.is_array() ? std::move(layers) : Json::array()}}}};
}

// The host's settings are in a file of their own: what is wrong with it does not hide the rest.
Json host_config(const Store& store, const std::string& id) {
  try {
    const auto text = store.catalog->container_host_config(id);
    return text ? read_json(*text, "the host configuration of container '" + id + "'") : Json();
  } catch (const Error& e) {
    complain(e.what());
    return {};
  }
}

Json inspect_container(const Store& store, const CatalogContainer& container) {
  Json out{
      {"Id", container.id}, {"Created", container.created}, {"Name", "/" + container.name}, {"Image", container.image}};
  if (const auto text = container_config(store, container.id)) {
    const std::string what = "the configuration of container '" + container.id + "'";
    const Json config = read_json(*text, what);
    if (!config.is_object()) throw Error(Errc::corrupt, "reading " + what + ": it is no object");
    for (const auto& [key, value] : config.items())
      if (key != "ID" && key != "Id") out[key] = value;
    out["HostConfig"] = host_config(store, container.id);
  }
  out["GraphDriver"] = graph_driver(store, container.layer, container.init);
  return out;
}

Exit run(const Flags& flags, const Globals& globals) {
  if (globals.json && !flags.format.empty())
    throw UserError(Errc::invalid, "inspecting: --json is one document, --format a text for each; give one of them");
  const auto format = as_named_by_user(
      [&] { return flags.format.empty() ? std::nullopt : std::optional<DocumentTemplate>(flags.format); });
  const Store store = open_to_read(globals);
  const Objects objects(store);
  const Wanted wanted{flags.type != "container", flags.type != "image", false};
  Json documents = Json::array();
  Tally tally;
  for (const auto& name : flags.names) {
    tally.attempt([&] {
      const Subject subject = objects.find(name, wanted);
      Json document =
          subject.image ? inspect_image(store, *subject.image) : inspect_container(store, *subject.container);
      const auto what = subject.image ? Inspected::image : Inspected::container;
      if (format)
        print(as_named_by_user([&] { return format->render(template_data(std::move(document), what)); }));
      else
        documents.push_back(std::move(document));
    });
  }
  if (!format) print(json_document(documents));
  return tally.for_reader();
}

}  // namespace

Command inspect_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app = program.add_subcommand("inspect", "Show all that is known of images and containers, as JSON");
  app->add_option("--type", flags->type, "Only an image, or only a container, of that name")
      ->type_name("TYPE")
      ->check(CLI::IsMember({"image", "container"}));
  app->add_option("-f,--format", flags->format,
                  "Text with {{.Field}}, {{.Field.Field}} and {{json .Field}} in it, a line for each REF; json is "
                  "{{json .}}")
      ->type_name("FORMAT");
  app->add_option("name", flags->names, "Images or containers")->type_name("REF")->required();
  app->footer(
      "Prints an array with one object per REF: Docker's own keys for an image, the engine's configuration of a "
      "container, its host's settings below HostConfig.\n"
      "GraphDriver.Data names the driver's layers. With --format, members that are left out there are printed as "
      "docker\n"
      "prints them: map[], [], <nil> and the like. --json is the default, and goes without --format.\n\n"
      "Examples:\n"
      "  cairn inspect busybox\n"
      "  cairn inspect --type container web\n"
      "  cairn inspect --format '{{.Id}} {{json .Config.Cmd}}' busybox");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
