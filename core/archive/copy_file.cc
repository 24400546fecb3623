#include "core/archive/copy_file.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <vector>

#include "core/util/error.h"
#include "core/util/fd.h"
#include "core/util/interrupt.h"

namespace cairn {

bool reflink(int from, int to) {
  if (::ioctl(to, FICLONE, from) == 0) return true;
  switch (errno) {
    case EOPNOTSUPP:
    case ENOTTY:
    case EXDEV:
    case EINVAL:
    case ENOSYS:
    case EPERM:
      return false;
    default:
      throw_errno("sharing the blocks of '" + printable(path_of(from)) + "'");
  }
}

[[noreturn]] static void ended_early(int from) {
  throw Error(Errc::io, "copying '" + printable(path_of(from)) + "': it became shorter meanwhile");
}

// Copies [at, end) with copy_file_range as far as that works.
static off_t copy_range(int from, int to, off_t at, off_t end, Progress* progress) {
  constexpr off_t kStep = 1 << 26;
  while (at < end) {
    off_t in = at, out = at;
    const ssize_t n = ::copy_file_range(from, &in, to, &out, static_cast<size_t>(std::min(end - at, kStep)), 0);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && errno == ENOSPC) throw_errno("copying '" + printable(path_of(from)) + "'");
    if (n <= 0) break;  // across file systems, or a file that only read(2) can read
    at += n;
    if (progress) progress->advance(static_cast<uint64_t>(n));
    check_interrupt();
  }
  return at;
}

static void copy_by_hand(int from, int to, off_t at, off_t end, Progress* progress) {
  std::vector<char> buffer(static_cast<size_t>(std::min<off_t>(end - at, 1 << 20)));
  while (at < end) {
    const size_t want = std::min(buffer.size(), static_cast<size_t>(end - at));
    const ssize_t n = ::pread(from, buffer.data(), want, at);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("reading '" + printable(path_of(from)) + "'");
    if (n == 0) ended_early(from);
    for (ssize_t done = 0; done < n;) {
      const ssize_t put = ::pwrite(to, buffer.data() + done, static_cast<size_t>(n - done), at + done);
      if (put < 0 && errno != EINTR) throw_errno("writing '" + printable(path_of(to)) + "'");
      done += std::max<ssize_t>(put, 0);
    }
    at += n;
    if (progress) progress->advance(static_cast<uint64_t>(n));
    check_interrupt();
  }
}

uint64_t copy_content(int from, int to, off_t size, Progress* progress) {
  uint64_t copied = 0;
  off_t end = 0;
  for (off_t at = 0; at < size; at = end) {
    at = ::lseek(from, at, SEEK_DATA);
    if (at < 0 && errno == ENXIO) break;  // the rest is a hole
    if (at < 0) throw_errno("reading '" + printable(path_of(from)) + "'");
    end = ::lseek(from, at, SEEK_HOLE);
    if (end < 0) throw_errno("reading '" + printable(path_of(from)) + "'");
    end = std::min(end, size);
    if (at >= end) break;
    copy_by_hand(from, to, copy_range(from, to, at, end, progress), end, progress);
    copied += static_cast<uint64_t>(end - at);
  }
  if (end < size) {
    struct stat st;
    if (::fstat(from, &st) != 0) throw_errno("reading '" + printable(path_of(from)) + "'");
    if (st.st_size < size) ended_early(from);
    if (::ftruncate(to, size) != 0) throw_errno("setting the size of '" + printable(path_of(to)) + "'");
  }
  return copied;
}

}  // namespace cairn
