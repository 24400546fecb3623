// Where -o FILE goes: the file appears under its name when it is complete, or not at all.
#pragma once

#include <sys/types.h>

#include <memory>
#include <string>

#include "core/archive/stream.h"
#include "core/util/fd.h"

namespace cairn {

// `path` "" or "-" is stdout; a terminal is refused (UserError), as nobody wants a tar on one. Where a symbolic link
// leads, the file there is replaced. What is no file with a name (a device, a fifo, /dev/fd/3) is written directly.
// The destructor removes what was not committed.
class OutFile : public ByteSink {
 public:
  OutFile(const std::string& path, const std::string& what);
  ~OutFile() override;
  OutFile(const OutFile&) = delete;
  void write(std::span<const char> bytes) override;
  void commit();  // durable, then visible
  // Where the file that becomes visible is; "" if there is none.
  std::string folder() const;
  // The file written to, if it is one that may be written in any order; else -1.
  int seekable_file() const { return temporary_.empty() ? -1 : file_.get(); }

  // The umask the user started us with: files made for him honour it though the process runs with 0.
  static mode_t user_umask;

 private:
  void open(const std::string& doing);
  void open_directly(const std::string& doing);

  std::string path_;                // as it was given
  std::string target_, temporary_;  // the file that appears, and what it is called until then
  Fd file_;                         // none: stdout
};

}  // namespace cairn
