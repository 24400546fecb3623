#include "core/migrate/add_references.h"

#include "core/layer/store_lock.h"

namespace cairn {

void add_references(const MigrationTarget& target, std::map<std::string, ImageId> add,
                    std::vector<MigratedState>& left) {
  const FileLock lock = FileLock::wait(target.metadata.lock_fd(), FileLock::Kind::exclusive);
  for (const auto& [repository, entries] : target.metadata.references().all())
    for (const auto& [reference, id] : entries) {
      const auto wanted = add.find(reference);
      if (wanted == add.end()) continue;
      if (wanted->second != id)
        left.push_back({"tag", reference, "left",
                        "the target has it on " + id.str() + " already; here it was on " + wanted->second.str()});
      add.erase(wanted);
    }
  target.metadata.references().update(add, {});
}

}  // namespace cairn
