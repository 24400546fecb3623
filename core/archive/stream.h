// Byte streams: the one currency between blobs, compression, tar, hashing and files.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>

#include "core/util/fd.h"

namespace cairn {

class ByteSource {
 public:
  virtual ~ByteSource() = default;
  // Up to into.size() bytes (never 0 unless at the end). Throws Error.
  virtual size_t read(std::span<char> into) = 0;
};

class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual void write(std::span<const char> bytes) = 0;
};

std::unique_ptr<ByteSource> read_from(Fd fd);  // read(2) to the end of the file
std::unique_ptr<ByteSource> read_range(int fd, uint64_t offset,
                                       uint64_t size);  // pread(2); `fd` outlives it; short file: corrupt
std::unique_ptr<ByteSource> read_from(std::string bytes);
std::unique_ptr<ByteSource> concatenate(std::string first, std::unique_ptr<ByteSource> rest);
// Calls `tap` with every byte that passes.
std::unique_ptr<ByteSource> tee(std::unique_ptr<ByteSource> source, std::function<void(std::span<const char>)> tap);
// Reads `source` in a thread of its own, at most `buffers` x 256 KiB ahead of the reader. Destroying it early is fine.
std::unique_ptr<ByteSource> read_ahead(std::unique_ptr<ByteSource> source, size_t buffers = 8);

class FdSink : public ByteSink {  // `fd` outlives it
 public:
  explicit FdSink(int fd) : fd_(fd) {}
  void write(std::span<const char> bytes) override { write_all(fd_, bytes); }

 private:
  int fd_;
};
class StringSink : public ByteSink {
 public:
  void write(std::span<const char> bytes) override { text.append(bytes.data(), bytes.size()); }
  std::string text;
};

size_t read_full(ByteSource& source, std::span<char> into);  // less than asked only at the end
std::string read_all(ByteSource& source, size_t limit);      // beyond `limit`: Errc::corrupt
uint64_t drain(ByteSource& source);                          // reads to the end, returns the bytes read
uint64_t copy(ByteSource& source, ByteSink& sink);

}  // namespace cairn
