#include "graphdb/layerdb/write_set.h"

#include "core/util/error.h"
#include "core/util/replace_file.h"
#include "graphdb/util/files.h"

namespace cairn {

constexpr const char* kIntent = "driver-ids";

WriteSet::WriteSet(int layerdb_fd, const std::vector<LayerId>& driver_ids)
    : layerdb_(dup_fd(layerdb_fd)), name_("tmp/" + std::string(kPrefix) + random_hex(16)) {
  const Fd tmp = open_dir_at(layerdb_fd, "tmp");
  {
    // Whoever looks for abandoned ones holds this exclusively: none sees ours between its making and its locking.
    const auto making = FileLock::wait(tmp.get(), FileLock::Kind::shared);
    mkdir_at(layerdb_fd, name_, 0700);
    dir_ = open_dir_at(layerdb_fd, name_);
    lock_ = FileLock::wait(dir_.get(), FileLock::Kind::exclusive);
  }
  if (driver_ids.empty()) return;
  std::string lines;
  for (const auto& id : driver_ids) lines += id.str() + "\n";
  try {
    replace_file_at(dir_.get(), kIntent, lines, 0600);
    fsync_fd(tmp.get(), "layerdb/tmp");
  } catch (...) {
    remove_tree_at(layerdb_fd, name_);
    throw;
  }
}

WriteSet::~WriteSet() {
  if (!layerdb_) return;  // moved from
  try {
    remove_tree_at(layerdb_.get(), name_);
  } catch (...) {
    // Unlocked now, so the next writer takes it for abandoned and removes it.
  }
}

static std::vector<LayerId> read_intent(int dir_fd) {
  std::vector<LayerId> ids;
  const auto text = try_read_regular_at(dir_fd, kIntent);
  if (!text) return ids;
  for (size_t from = 0; from < text->size();) {
    const size_t end = std::min(text->find('\n', from), text->size());
    const std::string line = text->substr(from, end - from);
    if (LayerId::valid(line)) ids.emplace_back(line);
    from = end + 1;
  }
  return ids;
}

std::vector<WriteSet::Trace> WriteSet::abandoned(int layerdb_fd) {
  std::vector<Trace> traces;
  const auto tmp = try_open_dir(layerdb_fd, "tmp");
  if (!tmp) return traces;
  const auto nobody_is_making = FileLock::wait(tmp->get(), FileLock::Kind::exclusive);
  for (const auto& name : list_dir(tmp->get())) {
    if (!name.starts_with(kPrefix)) continue;
    const auto st = stat_at(tmp->get(), name);
    if (!st || !S_ISDIR(st->st_mode)) continue;
    const auto dir = try_open_at(tmp->get(), name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!dir || !FileLock::attempt(dir->get(), FileLock::Kind::exclusive)) continue;
    traces.push_back({"tmp/" + name, read_intent(dir->get())});
  }
  return traces;
}

}  // namespace cairn
