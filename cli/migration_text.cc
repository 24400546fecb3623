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

std::string plan_text(const MigrationPlan& plan, const MigrationSource& source, const MigrationTarget& target) {
  size_t recorded = 0;
  for (const auto& layer : plan.layers) recorded += layer.method == "tar-split";
  const bool in_place = source.root == target.root;
  std::vector<Row> rows{
      {"FROM", printable(source.root.string()), source.graph.driver()},
      {"TO", printable(target.root.string()), std::string(target.driver.name()) + (in_place ? " (in place)" : "")},
      {"IMAGES", std::to_string(plan.images.size()), counts(plan.images)},
      {"LAYERS", std::to_string(plan.layers.size()),
       fmt::format("{} from their recorded tar, {} from a fresh diff", recorded, plan.layers.size() - recorded)},
      {"CONTAINERS", std::to_string(plan.containers.size()), counts(plan.containers)},
      {"VOLUMES", std::to_string(plan.volumes.size()), plan.volumes.empty() ? "none" : "copied"},
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
  for (const auto& damage : report.damage) out.push_back("damage: " + describe(damage));
  return out;
}

Json json_of(const MigrationReport& report) {
  Json images = Json::array(), layers = Json::array(), containers = Json::array(), damage = Json::array();
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
  for (const auto& d : report.damage) damage.push_back(json_of(d));
  return {{"images", images},
          {"layers", layers},
          {"containers", containers},
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
  out.damage = plan.damage;
  return out;
}

}  // namespace cairn
