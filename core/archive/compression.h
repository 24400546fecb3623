// Compression by content, as Docker detects it: gzip, zstd, xz, bzip2, else plain. Media types and suffixes are
// ignored.
#pragma once

#include <memory>
#include <string_view>

#include "core/archive/stream.h"

namespace cairn {

enum class Compression { none, gzip, zstd, xz, bzip2 };
std::string_view compression_name(Compression kind) noexcept;

// From the first (up to) 10 bytes; fewer are compared with what is there (formats: registry, Pull).
Compression detect_compression(std::string_view first_bytes) noexcept;

// Plain bytes of `source`, whatever it is packed in. gzip with several members, zero padding after the last member is
// ignored. A truncated or damaged stream throws Errc::corrupt when the reader gets there. Memory is bounded: xz and
// zstd windows above 128 MiB are Errc::unsupported.
std::unique_ptr<ByteSource> decompress(std::unique_ptr<ByteSource> source);

// gzip with mtime 0 and OS 255 like Go's; ISA-L, fast level. The bytes depend on the content, not on how it was cut for
// write() (but may on the processor). finish() must be called; a destructor writes nothing.
class GzipSink : public ByteSink {
 public:
  explicit GzipSink(ByteSink& out);
  ~GzipSink() override;
  void write(std::span<const char> bytes) override;
  void finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace cairn
