// Ranges of addresses: "127.0.0.0/8", "fd00::/8".
#pragma once

#include <array>
#include <optional>
#include <string>

namespace cairn {

class IpRange {
 public:
  static std::optional<IpRange> parse(const std::string& text);
  bool contains(const std::string& address) const;  // false for what is none

 private:
  using Bytes = std::array<unsigned char, 16>;  // IPv4 as ::ffff:a.b.c.d
  static std::optional<Bytes> bytes_of(const std::string& address);

  Bytes base_{};
  unsigned bits_ = 0;  // of 128
};

}  // namespace cairn
