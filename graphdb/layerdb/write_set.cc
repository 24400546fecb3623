#include "graphdb/layerdb/write_set.h"

#include <sys/stat.h>

#include <algorithm>
#include <ctime>

#include "core/util/error.h"
#include "core/util/replace_file.h"
#include "graphdb/util/files.h"

namespace cairn {

constexpr const char *kIntent = "driver-ids", *kKept = "kept";
constexpr int64_t kKeptSeconds = 24 * 3600;

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
  try {
    intend(driver_ids);
  } catch (...) {
    remove_tree_at(layerdb_fd, name_);
    throw;
  }
}

WriteSet::WriteSet(int layerdb_fd, std::string name, Fd dir, FileLock lock)
    : layerdb_(dup_fd(layerdb_fd)), name_(std::move(name)), dir_(std::move(dir)), lock_(std::move(lock)) {}

// Others make and remove it, too.
static void make_dir(int layerdb_fd, const std::string& name) {
  try {
    mkdir_at(layerdb_fd, name, 0700);
  } catch (const Error& e) {
    if (e.code() != Errc::already_exists && e.code() != Errc::not_found) throw;
  }
}

std::optional<WriteSet> WriteSet::claim(int layerdb_fd, const ChainId& chain) {
  const std::string name = "tmp/" + std::string(kPrefix) + chain.hex();
  const Fd tmp = open_dir_at(layerdb_fd, "tmp");
  const auto making = FileLock::wait(tmp.get(), FileLock::Kind::shared);
  for (;;) {
    if (!exists_at(layerdb_fd, name)) make_dir(layerdb_fd, name);
    auto dir = try_open_at(layerdb_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (!dir) continue;  // whoever had it has just removed it
    auto lock = FileLock::attempt(dir->get(), FileLock::Kind::exclusive);
    if (!lock) return std::nullopt;
    struct stat st;
    if (::fstat(dir->get(), &st) != 0) throw_errno("claiming '" + name + "'");
    if (st.st_nlink == 0) continue;
    WriteSet set(layerdb_fd, name, std::move(*dir), std::move(*lock));
    set.kept_ = !set.driver_ids().empty();  // as it was left, until somebody has cleared it
    return set;
  }
}

WriteSet::~WriteSet() {
  if (!layerdb_ || kept_) return;  // moved from, or left for the next claim
  try {
    remove_tree_at(layerdb_.get(), name_);
  } catch (...) {
    // Unlocked now, so the next writer takes it for abandoned and removes it.
  }
}

void WriteSet::intend(const std::vector<LayerId>& driver_ids) {
  std::string lines;
  for (const auto& id : driver_ids) lines += id.str() + "\n";
  replace_file_at(dir_.get(), kIntent, lines, 0600);
  fsync_fd(open_dir_at(layerdb_.get(), "tmp").get(), "layerdb/tmp");
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

std::vector<LayerId> WriteSet::driver_ids() const { return read_intent(dir_.get()); }

static std::string boot_id() { return read_regular_at(AT_FDCWD, "/proc/sys/kernel/random/boot_id", 4096); }

static std::optional<std::string> read_kept(int dir_fd) {
  const auto st = stat_at(dir_fd, kKept);
  if (!st || !S_ISREG(st->st_mode) || ::time(nullptr) - st->st_mtime > kKeptSeconds) return std::nullopt;
  const std::string text = read_regular_at(dir_fd, kKept), boot = boot_id();
  return text.starts_with(boot) ? std::optional(text.substr(boot.size())) : std::nullopt;
}

std::optional<std::string> WriteSet::kept() const { return read_kept(dir_.get()); }

void WriteSet::keep(const std::string& content) {
  replace_file_at(dir_.get(), kKept, boot_id() + content, 0600, Durable::no);
  kept_ = true;
}

void WriteSet::keep_no_more() {
  kept_ = false;
  remove_tree_at(dir_.get(), kKept);
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
    if (!dir) continue;
    auto lock = FileLock::attempt(dir->get(), FileLock::Kind::exclusive);
    if (!lock || read_kept(dir->get())) continue;
    traces.push_back({"tmp/" + name, read_intent(dir->get()), std::make_shared<const FileLock>(std::move(*lock))});
  }
  return traces;
}

}  // namespace cairn
