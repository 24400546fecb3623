// Writes tar as Go's archive/tar does: ustar where it fits, PAX records where it does not (names, ids, sizes, xattrs).
#pragma once

#include <string>

#include "core/archive/stream.h"
#include "core/archive/tar_reader.h"

namespace cairn {

enum class TarTimes { seconds, nanoseconds };  // the finer ones as PAX records

class TarWriter {
 public:
  explicit TarWriter(ByteSink& out, TarTimes times = TarTimes::seconds) : out_(out), times_(times) {}
  // Directory names end in '/'. mtime is cut to what is asked for. Deterministic: no pid, no user names, PAX names
  // "PaxHeaders.0".
  void begin(const TarEntry& entry);  // then exactly entry.size bytes of write()
  void write(std::span<const char> bytes);
  void finish();  // pads the last entry, two zero blocks

 private:
  std::string pad();
  ByteSink& out_;
  TarTimes times_;
  uint64_t left_ = 0, padding_ = 0;
};

}  // namespace cairn
