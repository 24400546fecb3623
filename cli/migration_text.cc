#include "cli/migration_text.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "cli/damage.h"
#include "cli/output/progress.h"
#include "cli/output/size.h"
#include "cli/output/table.h"
#include "core/util/error.h"

namespace cairn {

template <typename Items>
static std::string counts(const Items& items) {
  std::map<std::string, size_t> by_status;
  for (const auto& item : items) ++by_status[item.status];
  std::string out;
  for (const auto& [status, count] : by_status) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, status);
  return out.empty() ? "none" : out;
}

static std::string layers_text(const MigrationPlan& plan, bool graph) {
  if (!graph) return "keep their ids";
  size_t recorded = 0;
  for (const auto& layer : plan.layers) recorded += layer.method == "tar-split";
  return fmt::format("{} from their recorded tar, {} from a fresh diff", recorded, plan.layers.size() - recorded);
}

static std::string place_text(const MigrationSides& sides) {
  return sides.beside ? " (in place: made beside the old store, then exchanged for it)" : sides.in_place ? " (in place)" : "";
}

std::string plan_text(const MigrationPlan& plan, const MigrationPart& source, const MigrationSides& sides) {
  const bool in_place = sides.in_place && !sides.beside;
  const auto volumes = std::count_if(plan.state.begin(), plan.state.end(),
                                     [](const MigratedState& one) { return one.kind == "volume"; });
  std::vector<Row> rows{
      {"FROM", printable(source.store.root.string()), source.name()},
      {"TO", printable(sides.in_place ? source.store.root.string() : sides.target.root.string()),
       sides.target.driver_name + place_text(sides)},
      {"IMAGES", std::to_string(plan.images.size()), counts(plan.images)},
      {"LAYERS", std::to_string(plan.layers.size()),
       layers_text(plan, source.graph != nullptr)},
      {"CONTAINERS", std::to_string(plan.containers.size()), counts(plan.containers)},
      {"VOLUMES", std::to_string(volumes), volumes == 0 ? (sides.in_place ? "stay where they are" : "none") : "copied"},
      {"TO HASH", human_size(plan.bytes_to_hash),
       "about " + clock_time(plan.seconds) +
           (plan.layers_of_unknown_size > 0
                ? fmt::format(", and {} layers whose size is not recorded", plan.layers_of_unknown_size)
                : "")},
      {"TO COPY", human_size(plan.bytes_to_copy),
       in_place      ? "layers stay where they are"
       : plan.linked ? "same file system: layers are linked, containers and volumes copied"
                     : human_size(plan.bytes_free) + " free"},
      {"DAMAGE", std::to_string(plan.damage.size()),
       plan.damage.empty() ? "none" : "named below; all else is migrated"},
  };
  return format_table(rows);
}

std::string summary_text(const MigrationReport& report) {
  const double seconds = std::max(report.seconds, 0.001);
  std::vector<Row> rows{
      {"IMAGES", counts(report.images)},
      {"LAYERS", counts(report.layers)},
      {"CONTAINERS", counts(report.containers)},
      {"VOLUMES AND STATE", counts(report.state)},
      {"HASHED", fmt::format("{} ({}/s)", human_size(report.bytes_hashed),
                             human_size(static_cast<uint64_t>(static_cast<double>(report.bytes_hashed) / seconds)))},
      {"COPIED", fmt::format("{}, {} files linked", human_size(report.bytes_copied), report.files_linked)},
      {"TIME", report.seconds < 10 ? fmt::format("{:.1f}s", report.seconds) : clock_time(report.seconds)},
  };
  return format_table(rows);
}

std::vector<std::string> complaints(const MigrationReport& report) {
  std::vector<std::string> out;
  std::set<std::string> told;
  for (const auto& image : report.images) {
    if (image.status != "failed") continue;
    told.insert(image.source_id);
    const std::string name = image.tags.empty() ? "" : " (" + printable(image.tags.front()) + ")";
    out.push_back("migrating image " + printable(image.source_id) + name + ": " + printable(image.error, 1000));
  }
  for (const auto& layer : report.layers)
    if (!layer.error.empty() && !told.contains(layer.source_id))
      out.push_back("migrating layer " + printable(layer.source_id) + ": " + printable(layer.error, 1000));
  for (const auto& container : report.containers)
    if (!container.error.empty())
      out.push_back((container.status == "failed" ? "migrating container " : "leaving container ") +
                    printable(container.id) + (container.status == "failed" ? ": " : " behind: ") +
                    printable(container.error, 1000));
  for (const auto& one : report.state)
    if (!one.error.empty())
      out.push_back((one.status == "failed" ? "migrating " : "leaving ") + one.kind + " '" + printable(one.name) +
                    (one.status == "failed" ? "': " : "' behind: ") + printable(one.error, 1000));
  for (const auto& damage : report.damage) out.push_back("damage: " + describe(damage));
  return out;
}

Json json_of(const MigrationReport& report) {
  Json images = Json::array(), layers = Json::array(), containers = Json::array(), state = Json::array(),
       damage = Json::array();
  for (const auto& i : report.images)
    images.push_back({{"source_id", i.source_id},
                      {"image_id", text_or_null(i.image_id)},
                      {"tags", i.tags},
                      {"status", i.status},
                      {"error", text_or_null(i.error)}});
  for (const auto& l : report.layers)
    layers.push_back({{"source_id", l.source_id},
                      {"diff_id", text_or_null(l.diff_id)},
                      {"chain_id", text_or_null(l.chain_id)},
                      {"cache_id", text_or_null(l.cache_id)},
                      {"size", l.size},
                      {"method", l.method},
                      {"status", l.status},
                      {"error", text_or_null(l.error)}});
  for (const auto& c : report.containers)
    containers.push_back({{"id", c.id},
                          {"name", c.name},
                          {"image_id", text_or_null(c.image)},
                          {"status", c.status},
                          {"error", text_or_null(c.error)}});
  for (const auto& s : report.state)
    state.push_back({{"kind", s.kind}, {"name", s.name}, {"status", s.status}, {"error", text_or_null(s.error)}});
  for (const auto& d : report.damage) damage.push_back(json_of(d));
  return {{"images", images},
          {"layers", layers},
          {"containers", containers},
          {"state", state},
          {"damage", damage},
          {"bytes_hashed", report.bytes_hashed},
          {"bytes_copied", report.bytes_copied},
          {"files_linked", report.files_linked},
          {"seconds", report.seconds}};
}

MigrationReport as_report(const MigrationPlan& plan) {
  MigrationReport out;
  out.images = plan.images;
  out.layers = plan.layers;
  out.containers = plan.containers;
  out.state = plan.state;
  out.damage = plan.damage;
  return out;
}

void append(MigrationReport& report, MigrationReport part) {
  const auto move_all = [](auto& to, auto& from) { std::move(from.begin(), from.end(), std::back_inserter(to)); };
  move_all(report.images, part.images);
  move_all(report.layers, part.layers);
  move_all(report.containers, part.containers);
  move_all(report.state, part.state);
  move_all(report.damage, part.damage);
  report.bytes_hashed += part.bytes_hashed;
  report.bytes_copied += part.bytes_copied;
  report.files_linked += part.files_linked;
  report.seconds += part.seconds;
}

}  // namespace cairn
