#include "cli/store_check.h"

#include <algorithm>
#include <mutex>

#include "core/migrate/migrate.h"
#include "core/util/error.h"
#include "core/util/workers.h"

namespace cairn {

std::vector<Damage> layers_that_cannot_be_read(const Store& store, LayerStore& layers, unsigned jobs,
                                               Progress& progress) {
  std::vector<Damage> out;
  const auto records = store.metadata->layers().list(&out);
  progress.total(0, records.size());
  std::mutex mutex;
  run_parallel(jobs, records.size(), [&](size_t i) {
    const std::string label = "layer " + records[i].cache_id.str().substr(0, 12);
    progress.state(label, "verifying");
    try {
      layers.read_back(records[i].chain);
      progress.state(label, "verified");
    } catch (const Error& e) {
      if (e.code() == Errc::interrupted) throw;
      progress.state(label, "failed");
      const std::lock_guard lock(mutex);
      out.push_back({kVerifyFailed, records[i].chain.str(), e.what()});
    }
    progress.item_done();
  });
  return out;
}

}  // namespace cairn
