#include "registry/ip_range.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

namespace cairn {

std::optional<IpRange::Bytes> IpRange::bytes_of(const std::string& address) {
  Bytes out{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
  if (::inet_pton(AF_INET, address.c_str(), out.data() + 12) == 1) return out;
  if (::inet_pton(AF_INET6, address.c_str(), out.data()) == 1) return out;
  return std::nullopt;
}

std::optional<IpRange> IpRange::parse(const std::string& text) {
  const size_t slash = text.find('/');
  if (slash == text.npos) return std::nullopt;
  const auto base = bytes_of(text.substr(0, slash));
  const char *digits = text.data() + slash + 1, *end = text.data() + text.size();
  IpRange out;
  const auto [read, error] = std::from_chars(digits, end, out.bits_);
  const bool v4 = text.find(':') == text.npos;
  if (!base || read == digits || read != end || error != std::errc() || out.bits_ > (v4 ? 32 : 128))
    return std::nullopt;
  if (v4) out.bits_ += 96;
  out.base_ = *base;
  return out;
}

bool IpRange::contains(const std::string& address) const {
  const auto other = bytes_of(address);
  if (!other) return false;
  const size_t whole = bits_ / 8;
  if (!std::equal(base_.begin(), base_.begin() + static_cast<ptrdiff_t>(whole), other->begin())) return false;
  return bits_ % 8 == 0 || (base_[whole] ^ (*other)[whole]) >> (8 - bits_ % 8) == 0;
}

}  // namespace cairn
