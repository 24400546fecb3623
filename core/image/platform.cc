#include "core/image/platform.h"

#include <sys/utsname.h>

#include <algorithm>
#include <charconv>

#include "core/util/error.h"

namespace cairn {

// What images leave out.
static std::string default_variant(const std::string& architecture) {
  return architecture == "arm64" ? "v8" : architecture == "arm" ? "v7" : architecture == "amd64" ? "v1" : "";
}

static std::string variant_of(const Platform& platform) {
  return platform.variant.empty() ? default_variant(platform.architecture) : platform.variant;
}

// The number in "v7", 0 for anything else.
static int variant_number(const std::string& variant) {
  int number = 0;
  if (variant.starts_with('v')) std::from_chars(variant.data() + 1, variant.data() + variant.size(), number);
  return std::clamp(number, 0, 99);
}

std::string Platform::text() const { return os + "/" + architecture + (variant.empty() ? "" : "/" + variant); }

Platform host_platform() {
  utsname host;
  if (::uname(&host) != 0) throw_errno("asking for the machine's architecture");
  const std::string machine = host.machine;
  if (machine == "x86_64") return {"linux", "amd64", ""};
  if (machine == "aarch64") return {"linux", "arm64", "v8"};
  if (machine.starts_with("armv")) return {"linux", "arm", machine.substr(3, 2)};
  if (machine.starts_with('i') && machine.ends_with("86")) return {"linux", "386", ""};
  return {"linux", machine, ""};
}

Platform parse_platform(std::string_view text) {
  const auto refuse = [&] {
    throw Error(Errc::invalid, "reading the platform '" + printable(text, 80) + "': not of the form OS/ARCH[/VARIANT]");
  };
  std::string parts[3];
  std::string_view rest = text;
  for (auto& part : parts) {
    const size_t slash = std::min(rest.find('/'), rest.size());
    part = rest.substr(0, slash);
    if (slash == rest.size()) {
      rest = {};
      break;
    }
    rest.remove_prefix(slash + 1);
    if (rest.empty()) refuse();
  }
  if (!rest.empty() || parts[0].empty() || parts[1].empty()) refuse();
  return {parts[0], parts[1], parts[2]};
}

int platform_fit(const Platform& wanted, const Platform& offered) {
  if (wanted.os != offered.os || wanted.architecture != offered.architecture) return 0;
  const std::string want = variant_of(wanted), offer = variant_of(offered);
  if (want == offer) return 100;
  const int most = variant_number(want), number = variant_number(offer);
  return number > 0 && number < most ? number : 0;
}

}  // namespace cairn
