#include "core/util/error.h"

#include <cstring>
#include <string_view>

namespace cairn {

static Errc code_of(int err) {
  switch (err) {
    case ENOENT:
      return Errc::not_found;
    case EEXIST:
      return Errc::already_exists;
    case EBUSY:
      return Errc::in_use;
    case EOPNOTSUPP:
    case ENOSYS:
      return Errc::unsupported;
    case ENOSPC:
    case EDQUOT:
      return Errc::no_space;
    default:
      return Errc::io;
  }
}

void throw_errno(const std::string& doing, int err) {
  char buffer[256];
  throw Error(code_of(err), doing + ": " + strerror_r(err, buffer, sizeof buffer));
}

// Length of the well-formed UTF-8 sequence at `p`, 0 if there is none.
static size_t utf8_length(const unsigned char* p, size_t left) {
  const size_t n = p[0] < 0x80                             ? 1
                   : (p[0] & 0xe0) == 0xc0 && p[0] >= 0xc2 ? 2
                   : (p[0] & 0xf0) == 0xe0                 ? 3
                   : (p[0] & 0xf8) == 0xf0 && p[0] <= 0xf4 ? 4
                                                           : 0;
  if (n == 0 || n > left) return 0;
  for (size_t i = 1; i < n; ++i)
    if ((p[i] & 0xc0) != 0x80) return 0;
  return n;
}

std::string printable(std::string_view text, size_t limit) {
  std::string out;
  const bool cut = text.size() > limit;
  if (cut) text = text.substr(0, limit);
  const auto* p = reinterpret_cast<const unsigned char*>(text.data());
  for (size_t i = 0; i < text.size();) {
    const size_t n = utf8_length(p + i, text.size() - i);
    if (n == 0 || p[i] < 0x20 || p[i] == 0x7f) {
      static const char* hex = "0123456789abcdef";
      out += {'\\', 'x', hex[p[i] >> 4], hex[p[i] & 15]};
      ++i;
    } else {
      out.append(text.substr(i, n));
      i += n;
    }
  }
  return cut ? out + "..." : out;
}

}  // namespace cairn
