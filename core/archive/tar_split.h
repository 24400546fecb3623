// tar-split: a layer's tar without file contents, from which the tar is put together again byte for byte
// (formats: tar-split).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "core/archive/stream.h"
#include "core/archive/tar_reader.h"

namespace cairn {

// Observes a TarReader and writes the JSON lines to `out` (wrap a GzipSink for tar-split.json.gz). Memory is bounded by
// the names of the archive. A path that occurs twice throws Errc::corrupt ("duplicates of file paths not supported").
class TarSplitWriter : public TarReader::Observer {
 public:
  explicit TarSplitWriter(ByteSink& out);
  ~TarSplitWriter() override;
  void raw(std::span<const char> bytes) override;
  void remainder(std::span<const char> bytes) override;
  void entry(const TarEntry& entry) override;
  void content(std::span<const char> bytes) override;
  void hole(uint64_t bytes) override;
  void end() override;
  int64_t content_bytes() const;  // sum of entry sizes: Docker's layer size

 private:
  struct State;
  std::unique_ptr<State> state_;
};

struct TarSplitEntry {
  enum class Kind { file, segment } kind = Kind::segment;
  std::string name;  // raw bytes
  uint64_t size = 0;
  std::string payload;  // segment bytes, or the 8 bytes of the CRC
};

class TarSplitReader {
 public:
  explicit TarSplitReader(ByteSource& json_lines);  // already decompressed
  ~TarSplitReader();
  bool next(TarSplitEntry& into);  // false at the end; Errc::corrupt on damage; one line is at most 64 MiB
 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Content of `name` (cleaned path) in the unpacked layer.
using ContentOpener = std::function<std::unique_ptr<ByteSource>(const std::string& name)>;

// Writes the original stream to `out`. Errc::corrupt when a CRC does not match ("file integrity checksum failed for
// 'x'") or an entry is missing. Returns the sum of entry sizes.
int64_t reassemble(ByteSource& json_lines, const ContentOpener& open, ByteSink& out);

// How many bytes reassemble() writes; no file is opened. Errc::corrupt where reassemble() would find the lines damaged.
uint64_t reassembled_size(ByteSource& json_lines);

// CRC-64/GO-ISO as tar-split stores it (big-endian in the payload).
uint64_t crc64(uint64_t seed, std::span<const char> bytes);  // start with 0

}  // namespace cairn
