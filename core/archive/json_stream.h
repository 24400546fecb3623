// Cuts a stream of JSON objects, with any white space between them, into its objects. Only brackets and strings are
// looked at here; whether an object is sound is for its parser to say.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "core/archive/stream.h"

namespace cairn {

class JsonObjectStream {
 public:
  JsonObjectStream(ByteSource& source, size_t limit) : source_(source), limit_(limit) {}

  // From '{' to its '}', valid until the next call; nullopt at the end of the stream. Throws Errc::corrupt for anything
  // between objects, an object that does not end, and one larger than the limit.
  std::optional<std::string_view> next();
  uint64_t offset() const { return dropped_ + begin_; }  // of the object last returned

 private:
  bool skip_space();
  size_t end_of_object();
  size_t end_of_string(size_t at);
  bool fill();
  char at(size_t index);  // relative to begin_; reads on as needed

  ByteSource& source_;
  const size_t limit_;
  std::string buffer_;  // bytes [begin_, end_) are not yet used
  size_t begin_ = 0, end_ = 0, length_ = 0;
  uint64_t dropped_ = 0;
};

}  // namespace cairn
