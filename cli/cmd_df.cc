#include <fmt/format.h>

#include <algorithm>
#include <ctime>

#include "cli/commands.h"
#include "cli/damage.h"
#include "cli/image_filter.h"
#include "cli/output/age.h"
#include "cli/output/format.h"
#include "cli/output/json.h"
#include "cli/output/size.h"
#include "cli/output/table.h"
#include "cli/output/terminal.h"
#include "cli/usage.h"
#include "cli/wiring.h"

namespace cairn {
namespace {

constexpr Field kFields[] = {
    {"Type", "TYPE"}, {"TotalCount", "TOTAL"}, {"Active", "ACTIVE"}, {"Size", "SIZE"}, {"Reclaimable", "RECLAIMABLE"}};

struct Flags {
  bool verbose = false;
  std::string format;
};

Row row_of(const std::string& type, const Total& total) {
  const uint64_t percent = total.size == 0 ? 0 : total.reclaimable * 100 / total.size;
  return {type, std::to_string(total.count), std::to_string(total.active), human_size(total.size),
          fmt::format("{} ({}%)", human_size(total.reclaimable), percent)};
}

std::string image_table(const StoreUsage& usage) {
  const std::time_t now = std::time(nullptr);
  std::vector<Row> rows{
      {"REPOSITORY", "TAG", "IMAGE ID", "CREATED", "SIZE", "SHARED SIZE", "UNIQUE SIZE", "CONTAINERS"}};
  for (const auto& one : usage.images)
    for (const auto& name : rows_of(one.image, false))
      rows.push_back({printable(name.repository), printable(name.tag), short_id(one.image.id),
                      age(one.image.created, now), human_size(one.shared + one.unique), human_size(one.shared),
                      human_size(one.unique), std::to_string(one.containers)});
  return format_table(rows);
}

std::string container_table(const StoreUsage& usage) {
  std::vector<Row> rows{{"CONTAINER ID", "IMAGE", "SIZE", "STATUS", "NAMES"}};
  for (const auto& one : usage.containers)
    rows.push_back({short_id(one.container.id), printable(short_id(one.container.image_name)), human_size(one.size),
                    printable(one.container.status), printable(one.container.name)});
  return format_table(rows);
}

Json json_of(const Total& total) {
  return {{"total", total.count}, {"active", total.active}, {"size", total.size}, {"reclaimable", total.reclaimable}};
}

Json document(const StoreUsage& usage) {
  Json images = json_of(usage.all_images), containers = json_of(usage.all_containers);
  images["list"] = Json::array();
  containers["list"] = Json::array();
  for (const auto& one : usage.images)
    images["list"].push_back({{"id", one.image.id},
                              {"tags", one.image.tags},
                              {"size", one.shared + one.unique},
                              {"shared_size", one.shared},
                              {"unique_size", one.unique},
                              {"containers", one.containers}});
  for (const auto& one : usage.containers)
    containers["list"].push_back(
        {{"id", one.container.id}, {"name", text_or_null(one.container.name)}, {"size", one.size}});
  return {{"images", images}, {"containers", containers}, {"other_layers", json_of(usage.other_layers)}};
}

Exit run(const Flags& flags, const Globals& globals) {
  const Format format = as_named_by_user([&] {
    if (flags.verbose && !flags.format.empty())
      throw UserError(Errc::invalid, "reading --format: with -v there are several tables; --json has all of them");
    return Format(flags.format, kFields, "{{.Type}}\t{{.TotalCount}}\t{{.Active}}\t{{.Size}}\t{{.Reclaimable}}");
  });
  const Store store = open_to_read(globals);
  const Objects objects(store);
  StoreUsage usage = measure(store, objects, globals.jobs);
  std::stable_sort(usage.images.begin(), usage.images.end(), [](const ImageUsage& a, const ImageUsage& b) {
    return parse_time(a.image.created).value_or(Instant{}) > parse_time(b.image.created).value_or(Instant{});
  });
  warn_of(objects.damage());
  if (globals.json) {
    print(json_document(document(usage)));
    return Exit::done;
  }
  std::string out = format.render({row_of("Images", usage.all_images), row_of("Containers", usage.all_containers),
                                   row_of("Other layers", usage.other_layers)});
  if (flags.verbose) out += "\n" + image_table(usage) + "\n" + container_table(usage);
  print(out);
  return Exit::done;
}

}  // namespace

Command df_command(CLI::App& program, const Globals& globals) {
  const auto flags = std::make_shared<Flags>();
  CLI::App* app = program.add_subcommand("df", "Show the disk space that images, containers and other layers take");
  app->add_flag("-v,--verbose", flags->verbose, "Also each image and container");
  app->add_option("--format", flags->format,
                  "json (one object a line), table T or T, with {{.Type}} {{.TotalCount}} {{.Active}} {{.Size}} "
                  "{{.Reclaimable}} in T")
      ->type_name("FORMAT");
  app->footer(
      "Blocks on disk, hard links within a layer counted once. Active images have containers; reclaimable is what "
      "would be\n"
      "free without the others. Other layers belong to no image and no container.\n"
      "With --json: an object with images, containers and other_layers, each with total, active, size and reclaimable "
      "(bytes);\n"
      "the first two with a list (id, tags or name, size; of images also shared_size, unique_size, containers).\n\n"
      "Examples:\n"
      "  cairn df\n"
      "  cairn df -v");
  return {app, [flags, &globals] { return run(*flags, globals); }};
}

}  // namespace cairn
