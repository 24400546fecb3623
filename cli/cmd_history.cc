#include <algorithm>
#include <ctime>

#include "cli/commands.h"
#include "cli/objects.h"
#include "cli/output/age.h"
#include "cli/output/format.h"
#include "cli/output/json.h"
#include "cli/output/size.h"
#include "cli/output/terminal.h"
#include "cli/wiring.h"

namespace cairn {
namespace {

struct Flags {
  bool quiet = false, no_trunc = false, human = true;
  std::string format;
  std::vector<std::string> references;
};

constexpr Field kFields[] = {{"Comment", "COMMENT"},
                             {"CreatedAt", "CREATED AT"},
                             {"CreatedBy", "CREATED BY"},
                             {"CreatedSince", "CREATED"},
                             {"ID", "IMAGE"},
                             {"Size", "SIZE"}};

struct Step {
  std::string id;  // of the image that this step ended, "" if unknown
  CatalogHistory entry;
};

// Images of the classic builder name their parents, and each parent is the image one step earlier.
std::vector<Step> steps_of(const Store& store, const Objects& objects, const CatalogImage& image) {
  std::vector<Step> out;
  const CatalogImage* current = &image;
  for (auto& entry : store.catalog->history(image.id)) {
    out.push_back({current != nullptr ? current->id : "", std::move(entry)});
    if (current == nullptr || !current->parent) {
      current = nullptr;
      continue;
    }
    const auto parent = std::find_if(objects.images().begin(), objects.images().end(),
                                     [&](const CatalogImage& one) { return one.id == *current->parent; });
    current = parent == objects.images().end() ? nullptr : &*parent;
  }
  return out;
}

Json document(const std::vector<Step>& steps) {
  Json out = Json::array();
  for (const auto& step : steps)
    out.push_back({{"id", text_or_null(step.id)},
                   {"created", text_or_null(step.entry.created)},
                   {"created_by", step.entry.created_by},
                   {"author", step.entry.author},
                   {"comment", step.entry.comment},
                   {"size", step.entry.size},
                   {"empty_layer", step.entry.empty_layer}});
  return out;
}

std::vector<Row> rows(const std::vector<Step>& steps, const Flags& flags) {
  const std::time_t now = std::time(nullptr);
  std::vector<Row> out;
  for (const auto& [id, entry] : steps) {
    const std::string by = printable(entry.created_by, std::string::npos);
    const std::string at = local_rfc3339(entry.created);
    out.push_back({flags.no_trunc ? entry.comment : ellipsis(printable(entry.comment, 1000), 45), at,
                   flags.no_trunc ? by : ellipsis(by, 45), flags.human ? age(entry.created, now) : at,
                   id.empty()       ? "<missing>"
                   : flags.no_trunc ? id
                                    : short_id(id),
                   flags.human ? human_size(entry.size) : std::to_string(entry.size)});
  }
  return out;
}

Exit run(const Flags& flags, const Globals& globals) {
  const Format format = as_named_by_user([&] {
    return flags.quiet
               ? Format("{{.ID}}", kFields, "")
               : Format(flags.format, kFields, "{{.ID}}\t{{.CreatedSince}}\t{{.CreatedBy}}\t{{.Size}}\t{{.Comment}}");
  });
  const Store store = open_to_read(globals);
  const Objects objects(store);
  Tally tally;
  Json documents = Json::array();
  for (const auto& reference : flags.references) {
    tally.attempt([&] {
      const CatalogImage image = objects.image(reference);
      const auto steps = steps_of(store, objects, image);
      if (globals.json)
        documents.push_back({{"reference", reference}, {"id", image.id}, {"history", document(steps)}});
      else
        print(format.render(rows(steps, flags)));
    });
  }
  if (globals.json) print(json_document(documents));
  return tally.for_reader();
}

}  // namespace

Command history_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app = program.add_subcommand("history", "Show how images came to be, newest step first");
  app->add_flag("-H,--human", flags->human, "Sizes and dates for people; --human=false gives bytes and RFC 3339")
      ->capture_default_str();
  app->add_flag("-q,--quiet", flags->quiet, "Only image IDs");
  app->add_flag("--no-trunc", flags->no_trunc, "Whole IDs and commands");
  app->add_option(
         "--format", flags->format,
         "json (one object a line), table T or T, with {{.ID}} {{.CreatedSince}} {{.CreatedAt}} {{.CreatedBy}} "
         "{{.Size}} {{.Comment}} in T")
      ->type_name("FORMAT");
  app->add_option("reference", flags->references, "Images")->type_name("REF")->required();
  app->footer(
      "With --json: an array with one object per REF: reference, id and history, whose objects have id, created,\n"
      "created_by, author, comment, size (bytes) and empty_layer.\n\n"
      "Examples:\n"
      "  cairn history busybox\n"
      "  cairn history --no-trunc --format '{{.CreatedBy}}' sha256:1a2b3c");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
