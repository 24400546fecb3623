// Names that become paths. Nothing read from disk, network or command line becomes a path before it passed through
// here.
#pragma once

#include <compare>
#include <functional>
#include <string>
#include <string_view>

namespace cairn {

bool is_hex64(std::string_view text) noexcept;  // 64 lower-case hex digits

// Name of a layer inside a driver: a cache-id, mount-id, init-id or v1 id. One path component of [A-Za-z0-9_.-] that
// does not begin with a dot, at most 200 bytes (BuildKit's are 25 base-36 characters, Docker's 64 hex, "-init").
class LayerId {
 public:
  explicit LayerId(std::string text);  // throws Errc::invalid
  static bool valid(std::string_view text) noexcept;
  static LayerId random();  // 64 hex digits from the kernel
  const std::string& str() const noexcept { return text_; }
  auto operator<=>(const LayerId&) const = default;

 private:
  std::string text_;
};

std::string random_hex(size_t bytes);
std::string random_bytes(size_t count);

}  // namespace cairn

template <>
struct std::hash<cairn::LayerId> {
  size_t operator()(const cairn::LayerId& id) const noexcept { return std::hash<std::string>()(id.str()); }
};
