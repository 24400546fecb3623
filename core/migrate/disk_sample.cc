#include "core/migrate/disk_sample.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <mutex>
#include <random>
#include <string>
#include <vector>

#include "core/digest/digest.h"
#include "core/util/error.h"
#include "core/util/fd.h"
#include "core/util/interrupt.h"
#include "core/util/workers.h"
#include "core/util/xfs_flags.h"

namespace cairn {

namespace {

using Clock = std::chrono::steady_clock;
constexpr auto kFindTime = std::chrono::milliseconds(120), kReadTime = std::chrono::milliseconds(250);
constexpr size_t kMostFiles = 4096;
constexpr uint64_t kMostOfAFile = 8 << 20, kEnough = 2 << 20;

double since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

// Directories are taken in random order, so that the files come from all over the store.
class Finder {
 public:
  explicit Finder(int root) : root_(root), end_(Clock::now() + kFindTime) {}

  std::vector<std::string> run() {
    const auto start = Clock::now();
    while (!folders_.empty() && !enough()) {
      std::swap(folders_[random_() % folders_.size()], folders_.back());
      const std::string folder = std::move(folders_.back());
      folders_.pop_back();
      try {
        look_into(folder);
      } catch (const Error&) {  // gone, or not ours to read: there are others
        check_interrupt();
      }
    }
    seconds = since(start);
    std::shuffle(found_.begin(), found_.end(), random_);
    return std::move(found_);
  }

  double seconds = 0;
  uint64_t bytes = 0;

 private:
  bool enough() const { return found_.size() >= kMostFiles || Clock::now() > end_; }

  void look_into(const std::string& folder) {
    check_interrupt();
    const Fd dir = open_at(root_, folder, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NOATIME);
    for (const auto& name : list_dir(dir.get())) {
      if (enough()) return;
      const auto st = stat_at(dir.get(), name);
      if (!st) continue;
      const std::string path = folder + "/" + name;
      if (S_ISDIR(st->st_mode)) folders_.push_back(path);
      if (!S_ISREG(st->st_mode)) continue;
      found_.push_back(path);
      bytes += static_cast<uint64_t>(st->st_size);
    }
  }

  const int root_;
  const Clock::time_point end_;
  std::minstd_rand random_;
  std::vector<std::string> folders_{"."}, found_;
};

// One worker's part of the reading.
struct Reading {
  uint64_t files = 0, bytes = 0;
  double reading = 0;

  void read(int root, const std::string& path, Clock::time_point end, std::vector<char>& buffer) {
    const auto file = try_open_at(root, path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOATIME);
    struct stat st;
    if (!file || ::fstat(file->get(), &st) != 0 || !S_ISREG(st.st_mode)) return;
    ::posix_fadvise(file->get(), 0, 0, POSIX_FADV_DONTNEED);  // the disk is asked, not the memory
    Sha256 hash;
    ++files;
    for (uint64_t got = 0; got < kMostOfAFile && Clock::now() < end;) {
      const auto start = Clock::now();
      const size_t n = read_some(file->get(), buffer);
      reading += since(start);
      if (n == 0) return;
      hash.update(std::span(buffer).first(n));
      got += n;
      bytes += n;
    }
  }
};

// Where the store has next to nothing, what its files need is spent elsewhere anyway.
void measure_memory(DiskSample& sample, unsigned jobs) {
  const std::vector<char> zeros(kEnough);
  const auto start = Clock::now();
  Sha256 hash;
  hash.update(zeros);
  sample.hash_rate = sample.read_rate = static_cast<double>(kEnough) * jobs / std::max(since(start), 1e-6);
}

}  // namespace

DiskSample sample_disk(int dir_fd, unsigned jobs) {
  const auto start = Clock::now();
  Finder finder(dir_fd);
  const auto found = finder.run();
  std::vector<Reading> parts(jobs);
  std::atomic<size_t> next{0};
  const auto begin = Clock::now(), end = begin + kReadTime;
  run_parallel(jobs, jobs, [&](size_t worker) {
    std::vector<char> buffer(1 << 20);
    for (size_t i = next++; i < found.size() && Clock::now() < end; i = next++) {
      check_interrupt();
      try {
        parts[worker].read(dir_fd, found[i], end, buffer);
      } catch (const Error&) {  // as above
      }
    }
  });
  const double elapsed = std::max(since(begin), 1e-6);
  DiskSample sample;
  double reading = 0;
  for (const auto& part : parts) sample.files += part.files, sample.bytes += part.bytes, reading += part.reading;
  sample.hash_rate = static_cast<double>(sample.bytes) / elapsed;
  sample.read_rate = static_cast<double>(sample.bytes) / std::max(reading / jobs, 1e-6);
  if (sample.bytes < kEnough) measure_memory(sample, jobs);
  const auto count = static_cast<double>(std::max<size_t>(found.size(), 1));
  sample.file_seconds = finder.seconds / count;
  sample.file_size = static_cast<double>(finder.bytes) / count;
  sample.seconds = since(start);
  return sample;
}

LinkKind links_of(int dir_fd) {
  constexpr unsigned kBcachefs = 0xca451a4e, kExfat = 0x2011bab0, kNtfs3 = 0x7366746e;
  struct statfs fs;
  if (::fstatfs(dir_fd, &fs) != 0) throw_errno("asking what file system '" + printable(path_of(dir_fd)) + "' lies on");
  switch (static_cast<unsigned>(fs.f_type)) {
    case BTRFS_SUPER_MAGIC:
    case kBcachefs:
      return LinkKind::reflink;
    case XFS_SUPER_MAGIC:
      return (xfs_flags(dir_fd).value_or(0) & kXfsSharedBlocks) != 0 ? LinkKind::reflink : LinkKind::hard;
    case MSDOS_SUPER_MAGIC:
    case kExfat:
    case kNtfs3:
      return LinkKind::none;
    default:
      return LinkKind::hard;
  }
}

}  // namespace cairn
