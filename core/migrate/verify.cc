#include "core/migrate/verify.h"

#include <mutex>

#include "core/archive/changes.h"
#include "core/json/go_json.h"
#include "core/migrate/ends_run.h"
#include "core/util/error.h"
#include "core/util/workers.h"

namespace cairn {

static std::string wrong_with(const SourceTrees& source, const MigrationTarget& target, const LayerPlace& place,
                              LayerStore& layers) {
  if (place.tar_split) layers.read_back(place.record.chain);
  const auto record = target.metadata.layers().find(place.record.chain);
  const auto changes = changes_between(target.driver.tree(record->cache_id), source.tree(place.record.cache_id),
                                       {.rule = Compare::exact, .compare_content = place.tar_split == nullptr});
  if (changes.empty()) return "";
  return "'" + printable(changes[0].path) + "' differs from the source (" + std::to_string(changes.size()) + " in all)";
}

void verify_migration(const SourceTrees& source, const MigrationTarget& target, const std::vector<LayerPlace>& places,
                      LayerStore& layers, const MigrateOptions& options, MigrationReport& report, Progress& progress) {
  std::mutex mutex;
  run_parallel(options.jobs, places.size(), [&](size_t i) {
    const LayerRecord& record = places[i].record;
    const std::string label = "layer " + record.cache_id.str().substr(0, 12);
    progress.state(label, "verifying");
    progress.expect(static_cast<uint64_t>(record.size));
    std::string wrong;
    try {
      if (target.metadata.layers().find(record.chain)) wrong = wrong_with(source, target, places[i], layers);
    } catch (const Error& e) {
      if (ends_run(e, options)) throw;
      wrong = e.what();
    }
    progress.state(label, wrong.empty() ? "verified" : "failed");
    if (!places[i].tar_split) progress.advance(static_cast<uint64_t>(record.size));
    progress.item_done();
    const std::lock_guard lock(mutex);
    if (!wrong.empty()) report.damage.push_back({kVerifyFailed, record.chain.str(), wrong});
  });
}

std::vector<DiffId> diff_ids_of(const std::string& config) {
  const auto bad = [] { return Error(Errc::corrupt, "reading an image configuration: it has no list of DiffIDs"); };
  const auto top = go_json::object(config);
  const auto rootfs = top.find("rootfs");
  if (rootfs == top.end() || go_json::kind_of(rootfs->second) != go_json::Kind::object) throw bad();
  const auto fields = go_json::object(rootfs->second);
  std::vector<DiffId> out;
  const auto list = fields.find("diff_ids");
  if (list == fields.end()) return out;
  if (go_json::kind_of(list->second) != go_json::Kind::array) throw bad();
  for (const auto& raw : go_json::elements(list->second)) {
    const auto diff =
        go_json::kind_of(raw) == go_json::Kind::string ? DiffId::parse(go_json::unquote(raw)) : std::nullopt;
    if (!diff) throw bad();
    out.push_back(*diff);
  }
  return out;
}

}  // namespace cairn
