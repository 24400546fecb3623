// Writes tar as Go's archive/tar does: ustar where it fits, PAX records where it does not (names, ids, sizes, xattrs).
#pragma once

#include <string>

#include "core/archive/stream.h"
#include "core/archive/tar_reader.h"

namespace cairn {

enum class TarTimes { seconds, nanoseconds };  // the finer ones as PAX records
enum class TarNames { none, root };            // of users and groups: that of id 0 or none
enum class TarModes { permission, with_type };

class TarWriter {
 public:
  explicit TarWriter(ByteSink& out, TarTimes times = TarTimes::seconds, TarNames names = TarNames::none,
                     TarModes modes = TarModes::permission)
      : out_(out), times_(times), names_(names), modes_(modes) {}
  // Directory names end in '/'. mtime is cut to what is asked for. Deterministic: no pid, no user names but as asked
  // for, PAX names "PaxHeaders.0".
  void begin(const TarEntry& entry);  // then exactly entry.size bytes of write()
  void write(std::span<const char> bytes);
  void finish();  // pads the last entry, two zero blocks

 private:
  std::string pad();
  ByteSink& out_;
  TarTimes times_;
  TarNames names_;
  TarModes modes_;
  uint64_t left_ = 0, padding_ = 0;
};

}  // namespace cairn
