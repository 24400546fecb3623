// Which machine an image is for.
#pragma once

#include <string>
#include <string_view>

namespace cairn {

struct Platform {
  std::string os, architecture, variant;  // Go's names: "linux", "arm64", "v8"; variant may be empty

  std::string text() const;  // "linux/arm64/v8"
  bool operator==(const Platform&) const = default;
};

Platform host_platform();
Platform parse_platform(std::string_view text);  // OS/ARCH[/VARIANT]; Errc::invalid

// How well an image for `offered` runs on `wanted`: 0 not at all, larger is better. An older variant runs on a newer
// machine.
int platform_fit(const Platform& wanted, const Platform& offered);

}  // namespace cairn
