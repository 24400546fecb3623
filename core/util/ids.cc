#include "core/util/ids.h"

#include <sys/random.h>

#include "core/util/error.h"

namespace cairn {

bool is_hex64(std::string_view text) noexcept {
  if (text.size() != 64) return false;
  for (char c : text)
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'))) return false;
  return true;
}

bool LayerId::valid(std::string_view text) noexcept {
  if (text.empty() || text.size() > 200 || text[0] == '.') return false;
  for (char c : text)
    if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '.' ||
          c == '-'))
      return false;
  return true;
}

LayerId::LayerId(std::string text) : text_(std::move(text)) {
  if (!valid(text_))
    throw Error(Errc::invalid, "reading a layer's name: '" + printable(text_, 80) + "' is not a name a driver gives");
}

LayerId LayerId::random() { return LayerId(random_hex(32)); }

std::string random_bytes(size_t count) {
  std::string out(count, '\0');
  for (size_t done = 0; done < count;) {
    const ssize_t n = getrandom(out.data() + done, count - done, 0);
    if (n < 0 && errno != EINTR) throw_errno("reading random bytes from the kernel");
    if (n > 0) done += static_cast<size_t>(n);
  }
  return out;
}

std::string random_hex(size_t bytes) {
  static const char* hex = "0123456789abcdef";
  std::string out;
  for (const char c : random_bytes(bytes)) {
    const auto byte = static_cast<unsigned char>(c);
    out += {hex[byte >> 4], hex[byte & 15]};
  }
  return out;
}

}  // namespace cairn
