#include "core/archive/base64.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <utility>

namespace cairn {
namespace {

constexpr char kAlphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// Two characters for every 12 bits: half the steps of one for every 6.
constexpr auto kPairs = [] {
  std::array<char, 4096 * 2> pairs{};
  for (size_t i = 0; i < 4096; ++i) {
    pairs[2 * i] = kAlphabet[i >> 6];
    pairs[2 * i + 1] = kAlphabet[i & 63];
  }
  return pairs;
}();

constexpr unsigned char kBad = 0xff;
constexpr auto kValues = [] {
  std::array<unsigned char, 256> values{};
  values.fill(kBad);
  for (unsigned char i = 0; i < 64; ++i) values[static_cast<unsigned char>(kAlphabet[i])] = i;
  return values;
}();

unsigned value_of(char c) { return kValues[static_cast<unsigned char>(c)]; }

}  // namespace

void append_base64(std::string& out, std::span<const char> bytes) {
  const auto* in = reinterpret_cast<const unsigned char*>(bytes.data());
  const size_t groups = bytes.size() / 3, rest = bytes.size() % 3, before = out.size();
  out.resize(before + (groups + (rest != 0)) * 4);
  char* to = out.data() + before;
  for (size_t i = 0; i < groups; ++i, in += 3, to += 4) {
    const unsigned bits = static_cast<unsigned>(in[0]) << 16 | static_cast<unsigned>(in[1]) << 8 | in[2];
    std::memcpy(to, &kPairs[2 * (bits >> 12)], 2);
    std::memcpy(to + 2, &kPairs[2 * (bits & 4095)], 2);
  }
  if (rest == 0) return;
  const unsigned bits = static_cast<unsigned>(in[0]) << 16 | (rest == 2 ? static_cast<unsigned>(in[1]) << 8 : 0);
  std::memcpy(to, &kPairs[2 * (bits >> 12)], 2);
  to[2] = rest == 2 ? kAlphabet[bits >> 6 & 63] : '=';
  to[3] = '=';
}

void Base64Stream::add(std::string& out, std::span<const char> bytes) {
  if (waiting_ > 0) {
    const size_t fill = std::min(bytes.size(), sizeof group_ - waiting_);
    std::copy_n(bytes.begin(), fill, group_ + waiting_);
    waiting_ += fill;
    bytes = bytes.subspan(fill);
    if (waiting_ < sizeof group_) return;
    append_base64(out, group_);
  }
  const size_t whole = bytes.size() / 3 * 3;
  append_base64(out, bytes.first(whole));
  waiting_ = bytes.size() - whole;
  std::copy_n(bytes.begin() + static_cast<ptrdiff_t>(whole), waiting_, group_);
}

void Base64Stream::finish(std::string& out) { append_base64(out, {group_, std::exchange(waiting_, 0)}); }

bool append_from_base64(std::string& out, std::string_view text, Base64Padding padding) {
  if (text.size() % 4 == 0)
    for (int i = 0; i < 2 && !text.empty() && text.back() == '='; ++i) text.remove_suffix(1);
  else if (padding == Base64Padding::required)
    return false;
  const size_t groups = text.size() / 4, rest = text.size() % 4, before = out.size();
  if (rest == 1) return false;
  out.resize(before + groups * 3 + (rest == 0 ? 0 : rest - 1));
  char* to = out.data() + before;
  unsigned seen = 0;  // a bad character has bits that no value has
  const char* in = text.data();
  for (size_t i = 0; i < groups; ++i, in += 4, to += 3) {
    const unsigned a = value_of(in[0]), b = value_of(in[1]), c = value_of(in[2]), d = value_of(in[3]);
    seen |= a | b | c | d;
    const unsigned bits = a << 18 | b << 12 | c << 6 | d;
    to[0] = static_cast<char>(bits >> 16);
    to[1] = static_cast<char>(bits >> 8);
    to[2] = static_cast<char>(bits);
  }
  if (rest >= 2) {
    const unsigned a = value_of(in[0]), b = value_of(in[1]), c = rest == 3 ? value_of(in[2]) : 0;
    seen |= a | b | c;
    to[0] = static_cast<char>(a << 2 | b >> 4);
    if (rest == 3) to[1] = static_cast<char>(b << 4 | c >> 2);
  }
  if (seen < 64) return true;
  out.resize(before);
  return false;
}

}  // namespace cairn
