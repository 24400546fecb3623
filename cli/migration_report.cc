#include "cli/migration_report.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "cli/damage.h"
#include "cli/output/progress.h"
#include "cli/output/size.h"
#include "cli/output/table.h"

namespace cairn {

// "9 planned, 3 exists"
template <typename Items>
static std::string by_status(const Items& items) {
  std::map<std::string, size_t> counts;
  for (const auto& item : items) ++counts[item.status];
  std::string out;
  for (const auto& [status, count] : counts) out += fmt::format("{}{} {}", out.empty() ? "" : ", ", count, status);
  return out.empty() ? "none" : out;
}

std::string plan_text(const MigrationPlan& plan, const std::string& target_driver) {
  std::vector<Row> rows{{"PLAN", "", ""}};
  rows.push_back({"Images", std::to_string(plan.images.size()), by_status(plan.images)});
  rows.push_back({"Layers", std::to_string(plan.layers.size()), by_status(plan.layers)});
  rows.push_back({"Containers", std::to_string(plan.containers.size()), by_status(plan.containers)});
  rows.push_back({"Volumes", std::to_string(plan.volumes.size()), ""});
  rows.push_back({"Damage", std::to_string(plan.damage.size()), ""});
  rows.push_back({"To hash", human_size(plan.bytes_to_hash), "about " + clock_time(plan.seconds)});
  rows.push_back({"To copy", human_size(plan.bytes_to_copy), plan.linked ? "files are shared with the source" : ""});
  rows.push_back({"Free", human_size(plan.bytes_free), "driver " + target_driver});
  return format_table(rows);
}

MigrationOutcome::MigrationOutcome(const MigrationPlan& plan)
    : bytes_to_hash_(plan.bytes_to_hash), bytes_to_copy_(plan.bytes_to_copy), bytes_free_(plan.bytes_free) {
  report_.images = plan.images;
  report_.layers = plan.layers;
  report_.containers = plan.containers;
  report_.damage = plan.damage;
  report_.seconds = plan.seconds;
}

static Json json_of(const MigratedImage& image) {
  return {{"source_id", image.source_id}, {"image_id", image.image_id}, {"tags", image.tags},
          {"status", image.status},       {"error", image.error}};
}

static Json json_of(const MigratedLayer& layer) {
  return {{"source_id", layer.source_id}, {"diff_id", layer.diff_id}, {"chain_id", layer.chain_id},
          {"cache_id", layer.cache_id},   {"size", layer.size},       {"method", layer.method},
          {"status", layer.status},       {"error", layer.error}};
}

static Json json_of(const MigratedContainer& container) {
  return {{"id", container.id},         {"name", container.name},   {"image", container.image},
          {"status", container.status}, {"error", container.error}};
}

template <typename Items>
static Json list_of(const Items& items) {
  Json out = Json::array();
  for (const auto& item : items) out.push_back(json_of(item));
  return out;
}

Json MigrationOutcome::document() const {
  Json out{{"images", list_of(report_.images)},         {"layers", list_of(report_.layers)},
           {"containers", list_of(report_.containers)}, {"damage", list_of(report_.damage)},
           {"bytes_hashed", report_.bytes_hashed},      {"bytes_copied", report_.bytes_copied},
           {"files_linked", report_.files_linked},      {"seconds", report_.seconds}};
  if (bytes_to_hash_) {
    out["bytes_to_hash"] = *bytes_to_hash_;
    out["bytes_to_copy"] = *bytes_to_copy_;
    out["bytes_free"] = *bytes_free_;
  }
  return out;
}

std::string MigrationOutcome::summary() const {
  if (bytes_to_hash_) return "Nothing was written: --dry-run.\n";
  return "\n" + format_table({{"DONE", "", ""},
                              {"Images", std::to_string(report_.images.size()), by_status(report_.images)},
                              {"Layers", std::to_string(report_.layers.size()), by_status(report_.layers)},
                              {"Containers", std::to_string(report_.containers.size()), by_status(report_.containers)},
                              {"Hashed", human_size(report_.bytes_hashed), "in " + clock_time(report_.seconds)},
                              {"Copied", human_size(report_.bytes_copied), fmt::format("{} files shared", report_.files_linked)}});
}

std::vector<std::string> MigrationOutcome::complaints() const {
  std::vector<std::string> out;
  std::set<std::string> told;
  for (const auto& image : report_.images) {
    if (image.status != "failed") continue;
    told.insert(image.source_id);
    const std::string name = image.tags.empty() ? "" : " (" + printable(image.tags.front()) + ")";
    out.push_back("migrating image " + printable(image.source_id) + name + ": " + printable(image.error, 1000));
  }
  for (const auto& layer : report_.layers)
    if (!layer.error.empty() && !told.contains(layer.source_id))
      out.push_back("migrating layer " + printable(layer.source_id) + ": " + printable(layer.error, 1000));
  for (const auto& container : report_.containers)
    if (!container.error.empty())
      out.push_back((container.status == "failed" ? "migrating container " : "leaving container ") + printable(container.id) +
                    (container.status == "failed" ? ": " : " behind: ") + printable(container.error, 1000));
  for (const auto& damage : report_.damage) out.push_back("damage: " + describe(damage));
  return out;
}

}  // namespace cairn
