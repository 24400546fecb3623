#include "drivers/devicemapper/thin_image.h"

#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <vector>

#include "core/util/error.h"
#include "core/util/interrupt.h"
#include "core/util/nameless_file.h"

namespace cairn::devicemapper {
namespace {

class Image {
 public:
  Image(int data, uint64_t block_bytes, int file, uint64_t bytes);
  void add(const ThinRun& run);

 private:
  bool share(uint64_t from, uint64_t to, uint64_t bytes);
  void copy(uint64_t from, uint64_t to, uint64_t bytes);
  void write_what_is_not_zero(size_t size, uint64_t to) const;

  int data_, file_;
  uint64_t block_bytes_, bytes_, data_blocks_ = 0;
  bool may_share_ = true;
  std::vector<char> buffer_;
};

Image::Image(int data, uint64_t block_bytes, int file, uint64_t bytes)
    : data_(data), file_(file), block_bytes_(block_bytes), bytes_(bytes), buffer_(1 << 20) {
  const off_t end = ::lseek(data_, 0, SEEK_END);
  if (end < 0) throw_errno("reading the size of the pool's data");
  data_blocks_ = static_cast<uint64_t>(end) / block_bytes_;
  if (::ftruncate(file_, static_cast<off_t>(bytes_)) != 0) throw_errno("setting its size");
}

void Image::add(const ThinRun& run) {
  if (run.data >= data_blocks_ || run.blocks > data_blocks_ - run.data)
    throw Error(Errc::corrupt, "block " + std::to_string(run.data + run.blocks - 1) +
                                   " of the pool's data is needed, but it has only " + std::to_string(data_blocks_));
  if (run.at > (bytes_ - 1) / block_bytes_) return;
  const uint64_t to = run.at * block_bytes_, bytes = std::min(run.blocks * block_bytes_, bytes_ - to);
  if (!share(run.data * block_bytes_, to, bytes)) copy(run.data * block_bytes_, to, bytes);
}

// Whatever keeps the first from being shared (another file system, a block device) keeps all.
bool Image::share(uint64_t from, uint64_t to, uint64_t bytes) {
  file_clone_range range{};
  range.src_fd = data_;
  range.src_offset = from;
  range.src_length = bytes;
  range.dest_offset = to;
  may_share_ = may_share_ && ::ioctl(file_, FICLONERANGE, &range) == 0;
  return may_share_;
}

void Image::copy(uint64_t from, uint64_t to, uint64_t bytes) {
  for (const uint64_t end = from + bytes; from < end;) {
    check_interrupt();
    const off_t at = ::lseek(data_, static_cast<off_t>(from), SEEK_DATA);
    if (at < 0 && errno == ENXIO) return;                                   // a hole to the end
    if (at < 0 && errno != EINVAL) throw_errno("reading the pool's data");  // a block device knows of no holes
    const uint64_t skipped = at < 0 ? 0 : static_cast<uint64_t>(at) - from;
    from += skipped, to += skipped;
    if (from >= end) return;
    const size_t size = std::min<uint64_t>(buffer_.size(), end - from);
    const ssize_t n = ::pread(data_, buffer_.data(), size, static_cast<off_t>(from));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) throw_errno("reading the pool's data");
    if (n == 0) throw Error(Errc::io, "the pool's data became shorter meanwhile");
    write_what_is_not_zero(static_cast<size_t>(n), to);
    from += static_cast<uint64_t>(n);
    to += static_cast<uint64_t>(n);
  }
}

void Image::write_what_is_not_zero(size_t size, uint64_t to) const {
  constexpr size_t kPiece = 4096;
  static constexpr char kZeros[kPiece] = {};
  const auto is_zero = [&](size_t at) { return std::memcmp(&buffer_[at], kZeros, std::min(kPiece, size - at)) == 0; };
  for (size_t at = 0; at < size;) {
    size_t end = at;
    while (end < size && !is_zero(end)) end += kPiece;
    for (end = std::min(end, size); at < end;) {
      const ssize_t n = ::pwrite(file_, &buffer_[at], end - at, static_cast<off_t>(to + at));
      if (n < 0 && errno != EINTR) throw_errno("writing it");
      at += static_cast<size_t>(std::max<ssize_t>(n, 0));
    }
    at += kPiece;
  }
}

}  // namespace

Fd make_thin_image(const ThinMetadata& metadata, uint64_t device, uint64_t bytes, int data) {
  const std::string place = temporary_directory();
  return while_doing(
      [&] { return "copying its device to a file in '" + printable(place) + "' (TMPDIR names another place)"; },
      [&] {
        Fd file = make_nameless_file(place);
        Image image(data, metadata.block_bytes(), file.get(), bytes);
        metadata.each_run(device, [&](const ThinRun& run) { image.add(run); });
        return file;
      });
}

}  // namespace cairn::devicemapper
