#include "graphdb/scan/usage.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <map>
#include <mutex>
#include <unordered_set>

#include "core/util/error.h"
#include "core/util/fd.h"
#include "core/util/interrupt.h"
#include "core/util/workers.h"
#include "graphdb/util/files.h"

namespace cairn {

namespace {

// Inodes with several names that were counted. Split up, so that workers seldom wait for each other.
class SeenInodes {
 public:
  bool insert(const struct stat& st) {
    Part& part = parts_[st.st_ino % parts_.size()];
    const std::lock_guard lock(part.mutex);
    return part.inodes[st.st_dev].insert(st.st_ino).second;
  }

 private:
  struct Part {
    std::mutex mutex;
    std::map<dev_t, std::unordered_set<ino_t>> inodes;
  };
  std::array<Part, 64> parts_;
};

// Walks one tree with two descriptors however deep it is: down by name, up by "..".
class Walk {
 public:
  Walk(SeenInodes& seen, std::atomic<uint64_t>& bytes) : seen_(seen), bytes_(bytes) {}

  void run(int parent_fd, const std::string& name) {
    const auto st = stat_at(parent_fd, name);
    if (!st) return;
    count(*st);
    if (!S_ISDIR(st->st_mode)) return;
    device_ = st->st_dev;
    enter(open_dir_at(parent_fd, name));
    while (!frames_.empty()) {
      Frame& frame = frames_.back();
      if (!frame.folders.empty()) {
        const std::string next = std::move(frame.folders.back());
        frame.folders.pop_back();
        if (auto dir = try_open_at(dir_.get(), next, O_RDONLY | O_DIRECTORY | O_NOFOLLOW)) enter(std::move(*dir));
        continue;
      }
      frames_.pop_back();
      if (!frames_.empty()) leave();
    }
  }

 private:
  struct Frame {
    ino_t inode;
    std::vector<std::string> folders;  // not yet entered
  };

  void count(const struct stat& st) {
    if (S_ISDIR(st.st_mode) || st.st_nlink < 2 || seen_.insert(st)) bytes_ += static_cast<uint64_t>(st.st_blocks) * 512;
  }

  void enter(Fd dir) {
    check_interrupt();
    struct stat own;
    if (::fstat(dir.get(), &own) != 0) throw_errno("reading the status of '" + printable(path_of(dir.get())) + "'");
    Frame frame{own.st_ino, {}};
    for (auto& name : list_dir(dir.get())) {
      const auto st = stat_at(dir.get(), name);
      if (!st || st->st_dev != device_) continue;  // gone meanwhile, or something mounted
      count(*st);
      if (S_ISDIR(st->st_mode)) frame.folders.push_back(std::move(name));
    }
    dir_ = std::move(dir);
    frames_.push_back(std::move(frame));
  }

  void leave() {
    Fd up = open_at(dir_.get(), "..", O_RDONLY | O_DIRECTORY);
    struct stat st;
    if (::fstat(up.get(), &st) != 0 || st.st_ino != frames_.back().inode || st.st_dev != device_)
      throw Error(Errc::io, "measuring '" + printable(path_of(dir_.get())) + "': it was moved meanwhile");
    dir_ = std::move(up);
  }

  SeenInodes& seen_;
  std::atomic<uint64_t>& bytes_;
  dev_t device_ = 0;
  Fd dir_;
  std::vector<Frame> frames_;
};

}  // namespace

uint64_t disk_usage(int root_fd, const std::vector<std::string>& paths, const std::vector<std::string>& except,
                    unsigned jobs) {
  SeenInodes seen;
  std::atomic<uint64_t> bytes{0};
  for (const auto& path : paths) {
    const auto dir = try_open_dir(root_fd, path);
    if (!dir) continue;
    auto names = list_dir(dir->get());
    std::erase_if(names,
                  [&](const auto& name) { return std::find(except.begin(), except.end(), name) != except.end(); });
    run_parallel(jobs, names.size(), [&](size_t i) { Walk(seen, bytes).run(dir->get(), names[i]); });
  }
  return bytes;
}

}  // namespace cairn
