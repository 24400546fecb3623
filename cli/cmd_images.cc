#include <algorithm>
#include <ctime>

#include "cli/commands.h"
#include "cli/damage.h"
#include "cli/image_filter.h"
#include "cli/objects.h"
#include "cli/output/format.h"
#include "cli/output/json.h"
#include "cli/output/size.h"
#include "cli/output/terminal.h"
#include "cli/wiring.h"

namespace cairn {
namespace {

struct Flags {
  bool all = false, quiet = false, digests = false, no_trunc = false;
  std::vector<std::string> filters;
  std::string format, repository;
};

constexpr Field kFields[] = {{"CreatedAt", "CREATED AT"},
                             {"CreatedSince", "CREATED"},
                             {"Digest", "DIGEST"},
                             {"ID", "IMAGE ID"},
                             {"Repository", "REPOSITORY"},
                             {"Size", "SIZE"},
                             {"Tag", "TAG"}};

Format format_of(const Flags& flags) {
  if (flags.quiet) return Format("{{.ID}}", kFields, "");
  return as_named_by_user([&] {
    return Format(flags.format, kFields,
                  flags.digests ? "{{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}"
                                : "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}");
  });
}

std::map<std::string, std::string> labels_of(const Catalog& catalog, const CatalogImage& image) {
  const Json config = read_json(catalog.image_config(image.id), "the configuration of image '" + image.id + "'");
  std::map<std::string, std::string> out;
  if (!config.is_object() || !config.contains("config") || !config["config"].is_object()) return out;
  const Json labels = config["config"].value("Labels", Json());
  for (const auto& [name, value] : labels.items())
    if (value.is_string()) out.emplace(name, value.get<std::string>());
  return out;
}

// An argument without wildcards may be any spelling of a name.
std::string pattern_of(const std::string& argument) {
  if (argument.find_first_of("*?[\\") != argument.npos) return argument;
  const auto names = familiar_names(argument);
  const bool has_tag = !split_reference(argument).second.empty();
  return names.empty() ? argument : has_tag ? names.back() : split_reference(names.back()).first;
}

std::vector<CatalogImage> chosen_images(const Store& store, const Objects& objects, const Flags& flags) {
  ImageFilter filter(flags.filters, [&](const std::string& name) {
    const auto created = parse_time(objects.image(name).created);
    if (!created) throw UserError(Errc::invalid, "comparing with image '" + printable(name) + "': it has no date");
    return *created;
  });
  if (!flags.repository.empty()) filter.add_reference(pattern_of(flags.repository));
  std::vector<CatalogImage> out;
  for (auto image : objects.images())
    if ((flags.all || !is_intermediate(image)) &&
        filter.accepts(image, [&](const CatalogImage& one) { return labels_of(*store.catalog, one); }))
      out.push_back(std::move(image));
  std::stable_sort(out.begin(), out.end(), [](const CatalogImage& a, const CatalogImage& b) {
    return parse_time(a.created).value_or(Instant{}) > parse_time(b.created).value_or(Instant{});
  });
  return out;
}

Json document(const std::vector<CatalogImage>& images) {
  Json out = Json::array();
  for (const auto& image : images)
    out.push_back({{"id", image.id},
                   {"tags", image.tags},
                   {"digests", image.digests},
                   {"parent", image.parent ? Json(*image.parent) : Json()},
                   {"created", text_or_null(image.created)},
                   {"size", image.size},
                   {"dangling", is_dangling(image)},
                   {"has_children", image.has_children},
                   {"chain_id", image.chain ? Json(image.chain->str()) : Json()},
                   {"layer", image.top ? Json(image.top->str()) : Json()}});
  return out;
}

std::vector<Row> rows(const std::vector<CatalogImage>& images, bool digests, bool no_trunc) {
  const std::time_t now = std::time(nullptr);
  std::vector<Row> out;
  for (const auto& image : images)
    for (const auto& row : rows_of(image, digests))
      out.push_back({local_time(image.created), age(image.created, now), row.digest,
                     no_trunc ? image.id : short_id(image.id), row.repository, human_size(image.size), row.tag});
  return out;
}

Exit run(const Flags& flags, const Globals& globals) {
  const Format format = format_of(flags);
  const Store store = open_to_read(globals);
  const Objects objects(store);
  const auto images = chosen_images(store, objects, flags);
  warn_of(objects.damage());
  if (globals.json)
    print(json_document(document(images)));
  else
    print(format.render(rows(images, flags.digests || format.names("Digest") || format.is_json(), flags.no_trunc)));
  return Exit::done;
}

}  // namespace

Command images_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app = program.add_subcommand("images", "List images, newest first");
  app->add_flag("-a,--all", flags->all, "Also images that only other images build on");
  app->add_flag("-q,--quiet", flags->quiet, "Only image IDs");
  app->add_flag("--digests", flags->digests, "Also the manifest digest each name was pulled or pushed by");
  app->add_flag("--no-trunc", flags->no_trunc, "Whole IDs");
  app->add_option("-f,--filter", flags->filters,
                  "dangling=BOOL, label=KEY[=VALUE], before=IMAGE, since=IMAGE, reference=PATTERN; may be repeated")
      ->type_name("K=V")
      ->allow_extra_args(false);
  app->add_option("--format", flags->format,
                  "json (one object a line), table T or T, with {{.ID}} {{.Repository}} {{.Tag}} {{.Digest}} "
                  "{{.CreatedSince}} {{.CreatedAt}} {{.Size}} in T")
      ->type_name("FORMAT");
  app->add_option("repository", flags->repository, "Only images of this name; * and ? are wildcards")
      ->type_name("REPOSITORY[:TAG]");
  app->footer(
      "With --json: an array of objects with id, tags, digests, parent, created, size (bytes), dangling, "
      "has_children,\n"
      "chain_id and layer (the driver's name of the top layer).\n\n"
      "Examples:\n"
      "  cairn images\n"
      "  cairn images --filter dangling=true -q\n"
      "  cairn images --format 'table {{.Repository}}\\t{{.ID}}' 'registry.example/*/*'");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
