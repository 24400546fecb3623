#include <algorithm>
#include <ctime>

#include "cli/commands.h"
#include "cli/damage.h"
#include "cli/objects.h"
#include "cli/output/age.h"
#include "cli/output/format.h"
#include "cli/output/json.h"
#include "cli/output/terminal.h"
#include "cli/wiring.h"

namespace cairn {
namespace {

struct Flags {
  bool all = false, quiet = false, no_trunc = false;
  std::string format;
};

constexpr Field kFields[] = {{"Command", "COMMAND"},    {"CreatedAt", "CREATED AT"}, {"ID", "CONTAINER ID"},
                             {"Image", "IMAGE"},        {"ImageID", "IMAGE ID"},     {"Names", "NAMES"},
                             {"RunningFor", "CREATED"}, {"Status", "STATUS"}};

Json document(const std::vector<CatalogContainer>& containers) {
  Json out = Json::array();
  const auto layer = [](const std::optional<LayerId>& id) { return id ? Json(id->str()) : Json(); };
  for (const auto& one : containers)
    out.push_back({{"id", one.id},
                   {"name", text_or_null(one.name)},
                   {"image", text_or_null(one.image)},
                   {"image_name", text_or_null(one.image_name)},
                   {"command", one.command},
                   {"created", text_or_null(one.created)},
                   {"status", one.status},
                   {"running", one.running},
                   {"layer", layer(one.layer)},
                   {"init_layer", layer(one.init)},
                   {"image_layer", layer(one.image_layer)}});
  return out;
}

std::vector<Row> rows(const std::vector<CatalogContainer>& containers, bool no_trunc) {
  const std::time_t now = std::time(nullptr);
  const auto id = [&](const std::string& whole) { return no_trunc ? whole : short_id(whole); };
  std::vector<Row> out;
  for (const auto& one : containers) {
    const std::string command = "\"" + printable(one.command, std::string::npos) + "\"";
    const std::string shown = no_trunc || display_width(command) <= 22
                                  ? command
                                  : "\"" + ellipsis(command.substr(1, command.size() - 2), 20) + "\"";
    out.push_back({shown, local_time(one.created), id(one.id),
                   one.image_name.empty() ? id(one.image) : id(one.image_name), id(one.image), one.name,
                   age(one.created, now), one.status});
  }
  return out;
}

Exit run(const Flags& flags, const Globals& globals) {
  const Format format = as_named_by_user([&] {
    return flags.quiet ? Format("{{.ID}}", kFields, "")
                       : Format(flags.format, kFields,
                                "{{.ID}}\t{{.Image}}\t{{.Command}}\t{{.RunningFor}}\t{{.Status}}\t{{.Names}}");
  });
  const Store store = open_to_read(globals);
  std::vector<Damage> damage;
  auto containers = store.catalog->containers(&damage);
  std::stable_sort(containers.begin(), containers.end(), [](const CatalogContainer& a, const CatalogContainer& b) {
    return parse_time(a.created).value_or(Instant{}) > parse_time(b.created).value_or(Instant{});
  });
  warn_of(damage);
  print(globals.json ? json_document(document(containers)) : format.render(rows(containers, flags.no_trunc)));
  return Exit::done;
}

}  // namespace

Command ps_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app = program.add_subcommand("ps", "List the containers in the store, newest first");
  app->add_flag("-a,--all", flags->all, "All containers; always so, as nothing runs in a store at rest");
  app->add_flag("-q,--quiet", flags->quiet, "Only container IDs");
  app->add_flag("--no-trunc", flags->no_trunc, "Whole IDs and commands");
  app->add_option("--format", flags->format,
                  "json (one object a line), table T or T, with {{.ID}} {{.Image}} {{.ImageID}} {{.Command}} "
                  "{{.RunningFor}} {{.CreatedAt}} {{.Status}} {{.Names}} in T")
      ->type_name("FORMAT");
  app->footer(
      "With --json: an array of objects with id, name, image, image_name, command, created, status, running, layer,\n"
      "init_layer and image_layer (the driver's names).\n\n"
      "Examples:\n"
      "  cairn ps\n"
      "  cairn ps --no-trunc --format '{{.Names}} {{.Image}}'");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
