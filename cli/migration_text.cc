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

static std::string manner_text(const MigrationSides& sides) {
  return sides.beside     ? " (in place: made beside the old store, then exchanged for it)"
         : sides.in_place ? " (in place)"
                          : "";
}

static std::string unknown_sizes(size_t count, const std::string& what) {
  return count == 0 ? "" : fmt::format("and {} {}{} whose size is not recorded", count, what, count == 1 ? "" : "s");
}

static std::string sample_text(const DiskSample& sample) {
  return fmt::format("measured on {} of its files ({}) in {:.1f}s", sample.files, human_size(sample.bytes),
                     sample.seconds);
}

static std::string links_text(LinkKind links) {
  return links == LinkKind::reflink ? "layers and containers share their blocks with the source (reflinks)"
         : links == LinkKind::hard  ? "layers are linked (hard links), containers and volumes copied"
                                    : "nothing can be linked between the two";
}

static std::string place_text(const MigrationPlan& plan, bool in_place) {
  const std::string unknown = unknown_sizes(plan.containers_of_unknown_size, "container");
  return (in_place ? "layers stay where they are" : links_text(plan.links)) + "; " + human_size(plan.bytes_free) +
         " free" + (unknown.empty() ? "" : "; " + unknown);
}

std::vector<std::string> estimate_lines(const Estimate& e, unsigned jobs) {
  const std::string unknown = unknown_sizes(e.containers_of_unknown_size, "container");
  const auto rate = [](double bytes) { return human_size(static_cast<uint64_t>(bytes)) + "/s"; };
  return {fmt::format("{} to copy of {} free: {}{}", human_size(e.bytes_to_copy), human_size(e.bytes_free),
                      links_text(e.links), unknown.empty() ? "" : "; " + unknown),
          fmt::format("about {}: {} to hash at {} with {} worker{}, and {:.2f}ms a file", clock_time(e.seconds),
                      human_size(e.bytes_to_hash), rate(e.sample.hash_rate), jobs, jobs == 1 ? "" : "s",
                      e.sample.file_seconds * 1e3),
          sample_text(e.sample)};
}

std::string plan_text(const MigrationPlan& plan, const MigrationPart& source, const MigrationSides& sides) {
  const bool in_place = sides.in_place && !sides.beside;
  const auto volumes = std::count_if(plan.state.begin(), plan.state.end(),
                                     [](const MigratedState& one) { return one.kind == "volume"; });
  std::vector<Row> rows{
      {"FROM", printable(source.store.root.string()), source.name()},
      {"TO", printable(sides.in_place ? source.store.root.string() : sides.target.root.string()),
       sides.target.driver_name + manner_text(sides)},
      {"IMAGES", std::to_string(plan.images.size()), counts(plan.images)},
      {"LAYERS", std::to_string(plan.layers.size()), layers_text(plan, source.graph != nullptr)},
      {"CONTAINERS", std::to_string(plan.containers.size()), counts(plan.containers)},
      {"VOLUMES", std::to_string(volumes), volumes == 0 ? (sides.in_place ? "stay where they are" : "none") : "copied"},
      {"TO HASH", human_size(plan.bytes_to_hash), unknown_sizes(plan.layers_of_unknown_size, "layer")},
      {"TO COPY", human_size(plan.bytes_to_copy), place_text(plan, in_place)},
      {"TIME", clock_time(plan.seconds), "about; " + sample_text(plan.sample)},
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

}  // namespace cairn
