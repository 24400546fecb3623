// A streaming tar reader: ustar, GNU long names and sparse files, PAX incl. global headers, xattrs in both spellings
// (SCHILY.xattr.*, LIBARCHIVE.xattr.*), base-256 numbers. End-of-archive rules and names as formats: tar-split, 4.
#pragma once

#include <cstdint>
#include <ctime>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "core/archive/stream.h"

namespace cairn {

enum class TarType : char {
  file = '0',
  hard_link = '1',
  symlink = '2',
  char_device = '3',
  block_device = '4',
  directory = '5',
  fifo = '6',
  global_header = 'g',
  other = '?',
};

struct TarEntry {
  std::string name;  // as in the archive: "./a", "d/"
  std::string link_target;
  TarType type = TarType::file;
  char type_flag = '0';  // as in the header, for messages
  uint32_t mode = 0;     // permission, suid, sgid, sticky: 07777
  uint32_t uid = 0, gid = 0;
  uint64_t size = 0;          // logical (expanded) bytes of content; as stated by the header for types that
                              // have none (links, directories, devices)
  timespec mtime{}, atime{};  // atime zero when absent
  uint32_t device_major = 0, device_minor = 0;
  std::map<std::string, std::string> xattrs;
  bool sparse = false;
};

// Limits that hold before memory is spent; beyond any of them Errc::corrupt.
struct TarLimits {
  uint64_t meta_bytes = 1 << 20;  // one PAX or GNU long-name member
  uint64_t sparse_segments = 1 << 20;
};

class TarReader {
 public:
  // Sees the whole stream (see TarSplitWriter). Only the map in front of a PAX 1.0 sparse member's data goes to nobody.
  class Observer {
   public:
    virtual ~Observer() = default;
    virtual void raw(std::span<const char> bytes) = 0;                   // headers, padding, end marker
    virtual void remainder(std::span<const char> bytes) { raw(bytes); }  // what follows the end marker
    virtual void entry(const TarEntry& entry) = 0;          // after its headers went to raw(), before its content
    virtual void content(std::span<const char> bytes) = 0;  // logical content of the current entry
    virtual void hole(uint64_t bytes);                      // so many zero bytes of content; by default calls content()
    virtual void end() = 0;                                 // after the last byte of the stream
  };

  explicit TarReader(ByteSource& source, Observer* observer = nullptr, TarLimits limits = {});
  ~TarReader();
  TarReader(const TarReader&) = delete;

  // The next entry, or nullptr at the end; unread content of the previous one is skipped (the observer still sees it).
  // Global headers are entries too (type global_header). At the end the rest of the stream is read through.
  // Errc::corrupt: bad checksum ("invalid tar header"), truncation ("unexpected EOF"), absurd sizes.
  const TarEntry* next();

  // Logical content of the current entry; 0 at its end. Holes of sparse files come as zero bytes.
  size_t read(std::span<char> into);
  // The same without copying: a view into the reader's buffer, valid until the next call; empty at the end.
  std::span<const char> read_view();
  // For sparse entries: skips to the next data, returns how many bytes of hole were skipped (0 if none).
  uint64_t skip_hole();
  void skip_content();
  uint64_t stream_bytes() const;  // consumed so far

 private:
  struct State;
  std::unique_ptr<State> state_;
};

// Go's path.Clean of a tar name, then without the leading '/': "./a/" -> "a"; "" and "/" -> "."; "/../x" -> "x". What
// leads out of a relative name stays, for the caller to refuse: "a/../../x" -> "../x".
std::string clean_path(std::string_view name);

}  // namespace cairn
