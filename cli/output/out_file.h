// Where -o FILE goes: the file appears under its name when it is complete, or not at all.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "core/archive/stream.h"
#include "core/util/fd.h"

namespace cairn {

// `path` "" or "-" is stdout; a terminal is refused (UserError), as nobody wants a tar on one. A device or fifo is
// written directly. The destructor removes what was not committed.
class OutFile : public ByteSink {
 public:
  OutFile(const std::string& path, const std::string& what);
  ~OutFile() override;
  OutFile(const OutFile&) = delete;
  void write(std::span<const char> bytes) override;
  void commit();  // durable, then visible
  // The file written to, if it is one that may be written in any order; else -1.
  int seekable_file() const { return temporary_.empty() ? -1 : file_.get(); }

  // The umask the user started us with: files made for him honour it though the process runs with 0.
  static mode_t user_umask;

 private:
  std::string path_, temporary_;
  Fd file_;  // none: stdout
};

}  // namespace cairn
