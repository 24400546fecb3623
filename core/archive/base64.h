// Standard base64, padded.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace cairn {

void append_base64(std::string& out, std::span<const char> bytes);

// The same for bytes that come in pieces.
class Base64Stream {
 public:
  void add(std::string& out, std::span<const char> bytes);
  void finish(std::string& out);  // the last, incomplete group; then it can be used again

 private:
  char group_[3];
  size_t waiting_ = 0;  // bytes in group_
};

// `padding`: whether the "=" that complete the last group of four must be there. False, and `out` as it was, for
// anything that is not base64.
enum class Base64Padding { required, optional };
bool append_from_base64(std::string& out, std::string_view text, Base64Padding padding = Base64Padding::required);

}  // namespace cairn
