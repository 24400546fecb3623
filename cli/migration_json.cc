#include "cli/migration_json.h"

#include <algorithm>

#include "cli/damage.h"

namespace cairn {

static Json json_of(const MigratedImage& i) {
  return {{"source_id", i.source_id}, {"image_id", text_or_null(i.image_id)}, {"tags", i.tags},
          {"status", i.status},       {"error", text_or_null(i.error)},       {"layer", text_or_null(i.layer)}};
}

static Json json_of(const MigratedLayer& l) {
  return {{"source_id", l.source_id},
          {"diff_id", text_or_null(l.diff_id)},
          {"chain_id", text_or_null(l.chain_id)},
          {"cache_id", text_or_null(l.cache_id)},
          {"size", l.size},
          {"method", l.method},
          {"status", l.status},
          {"error", text_or_null(l.error)},
          {"parent", text_or_null(l.parent)}};
}

static Json json_of(const MigratedContainer& c) {
  return {{"id", c.id},
          {"name", c.name},
          {"image_id", text_or_null(c.image)},
          {"status", c.status},
          {"error", text_or_null(c.error)},
          {"bytes", c.bytes}};
}

static Json json_of(const MigratedState& s) {
  return {
      {"kind", s.kind}, {"name", s.name}, {"status", s.status}, {"error", text_or_null(s.error)}, {"bytes", s.bytes}};
}

template <typename Items>
static Json list_of(const Items& items) {
  Json out = Json::array();
  for (const auto& item : items) out.push_back(json_of(item));
  return out;
}

Json json_of(const MigrationReport& report, const MigrationFrame& frame) {
  return {{"images", list_of(report.images)},
          {"layers", list_of(report.layers)},
          {"containers", list_of(report.containers)},
          {"state", list_of(report.state)},
          {"damage", list_of(report.damage)},
          {"bytes_hashed", report.bytes_hashed},
          {"bytes_copied", report.bytes_copied},
          {"files_linked", report.files_linked},
          {"seconds", report.seconds},
          {"complete", report.complete()},
          {"source", {{"root", frame.source}, {"drivers", frame.source_drivers}}},
          {"target", {{"root", frame.target}, {"driver", frame.target_driver}}},
          {"in_place", frame.in_place},
          {"dry_run", frame.dry_run},
          {"verified", frame.verified},
          {"started", frame.started},
          {"cairn", CAIRN_VERSION}};
}

void Estimate::add(const MigrationPlan& plan) {
  bytes_to_hash += plan.bytes_to_hash;
  bytes_to_copy += plan.bytes_to_copy;
  bytes_free = plan.bytes_free;
  layers_of_unknown_size += plan.layers_of_unknown_size;
  containers_of_unknown_size += plan.containers_of_unknown_size;
  links = plan.links;
  seconds += plan.seconds;
  if (plan.sample.bytes >= sample.bytes) sample = plan.sample;
}

Json json_of(const Estimate& e) {
  static constexpr const char* kLinks[] = {"none", "hard", "reflink"};
  return {{"bytes_to_hash", e.bytes_to_hash},
          {"bytes_to_copy", e.bytes_to_copy},
          {"bytes_free", e.bytes_free},
          {"layers_of_unknown_size", e.layers_of_unknown_size},
          {"containers_of_unknown_size", e.containers_of_unknown_size},
          {"links", kLinks[static_cast<int>(e.links)]},
          {"seconds", e.seconds},
          {"sample",
           {{"files", e.sample.files},
            {"bytes", e.sample.bytes},
            {"seconds", e.sample.seconds},
            {"hash_rate", e.sample.hash_rate},
            {"read_rate", e.sample.read_rate},
            {"file_seconds", e.sample.file_seconds},
            {"file_size", e.sample.file_size}}}};
}

}  // namespace cairn
