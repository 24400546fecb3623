#include "core/archive/sparse_source.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "core/util/error.h"

namespace cairn {
namespace {

class SparseSource : public ByteSource {
 public:
  explicit SparseSource(Fd file) : file_(std::move(file)) {}

  size_t read(std::span<char> into) override {
    if (at_ >= hole_end_ && at_ >= data_end_) find_next();
    if (at_ < data_end_) return read_data(into.first(at_most(into.size(), data_end_)));
    const size_t n = at_most(into.size(), hole_end_);
    std::memset(into.data(), 0, n);
    at_ += static_cast<off_t>(n);
    return n;
  }

 private:
  size_t at_most(size_t wanted, off_t end) const {
    return std::min(wanted, static_cast<size_t>(std::max<off_t>(end - at_, 0)));
  }

  size_t read_data(std::span<char> into) {
    ssize_t n = 0;
    do n = ::pread(file_.get(), into.data(), into.size(), at_);
    while (n < 0 && errno == EINTR);
    if (n < 0) throw_errno("reading '" + printable(path_of(file_.get())) + "'");
    at_ += n;
    return static_cast<size_t>(n);
  }

  // Where `at_` is in a hole, its end; else the end of the data; neither at the end of the file.
  void find_next() {
    const off_t data = seek(SEEK_DATA);
    if (data < 0)
      hole_end_ = size();  // a hole to the end, or nothing
    else if (data > at_)
      hole_end_ = data;
    else
      data_end_ = seek(SEEK_HOLE);
  }

  // -1 where there is none any more.
  off_t seek(int what) const {
    const off_t found = ::lseek(file_.get(), at_, what);
    if (found < 0 && errno != ENXIO) throw_errno("looking for holes in '" + printable(path_of(file_.get())) + "'");
    return found;
  }

  off_t size() const {
    struct stat st;
    if (::fstat(file_.get(), &st) != 0) throw_errno("reading the status of '" + printable(path_of(file_.get())) + "'");
    return st.st_size;
  }

  const Fd file_;
  off_t at_ = 0, data_end_ = 0, hole_end_ = 0;
};

}  // namespace

std::unique_ptr<ByteSource> read_sparse(Fd file) { return std::make_unique<SparseSource>(std::move(file)); }

}  // namespace cairn
