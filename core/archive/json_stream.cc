#include "core/archive/json_stream.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/util/error.h"
#include "core/util/interrupt.h"

namespace cairn {

std::optional<std::string_view> JsonObjectStream::next() {
  begin_ += std::exchange(length_, 0);
  if (!skip_space()) return std::nullopt;
  if (buffer_[begin_] != '{')
    throw Error(Errc::corrupt, "reading JSON at byte " + std::to_string(offset()) + ": an object should begin here");
  length_ = end_of_object();
  return std::string_view(buffer_).substr(begin_, length_);
}

bool JsonObjectStream::skip_space() {
  for (;;) {
    if (begin_ == end_ && !fill()) return false;
    const char c = buffer_[begin_];
    if (c != ' ' && c != '\n' && c != '\r' && c != '\t') return true;
    ++begin_;
  }
}

// Bytes from begin_ to behind the bracket that closes the object.
size_t JsonObjectStream::end_of_object() {
  size_t depth = 0;
  for (size_t i = 0;;) {
    const char c = at(i++);
    if (c == '{' || c == '[') ++depth;
    if ((c == '}' || c == ']') && --depth == 0) return i;
    if (c == '"') i = end_of_string(i);
  }
}

// `i` is behind the opening quote; the result is behind the closing one.
size_t JsonObjectStream::end_of_string(size_t i) {
  for (;;) {
    at(i);
    const char* from = buffer_.data() + begin_ + i;
    const size_t have = end_ - begin_ - i;
    const void* quote = std::memchr(from, '"', have);
    const size_t length = quote ? static_cast<size_t>(static_cast<const char*>(quote) - from) : have;
    const void* escape = std::memchr(from, '\\', length);
    if (escape) {
      i += static_cast<size_t>(static_cast<const char*>(escape) - from) + 2;  // past the character that is escaped
    } else if (quote) {
      return i + length + 1;
    } else {
      i += length;
    }
  }
}

char JsonObjectStream::at(size_t index) {
  while (begin_ + index >= end_)
    if (!fill())
      throw Error(Errc::corrupt, "reading JSON at byte " + std::to_string(offset()) + ": unexpected end of the object");
  return buffer_[begin_ + index];
}

bool JsonObjectStream::fill() {
  check_interrupt();
  if (begin_ > 0) {
    std::memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    dropped_ += begin_;
    end_ -= begin_;
    begin_ = 0;
  }
  if (end_ > limit_)
    throw Error(Errc::corrupt, "reading JSON at byte " + std::to_string(offset()) + ": an object of more than " +
                                   std::to_string(limit_) + " bytes");
  if (end_ == buffer_.size()) buffer_.resize(std::max<size_t>(256 << 10, buffer_.size() * 2));
  const size_t n = source_.read(std::span(buffer_).subspan(end_));
  end_ += n;
  return n > 0;
}

}  // namespace cairn
