// Which driver's world of a root a command works on.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

namespace cairn {

struct HeldDriver {  // something of this driver is in the root
  std::string name;
  uint64_t images = 0, layers = 0, containers = 0;
  bool empty() const { return images + layers + containers == 0; }
};

// `named`: the flag, "" if not given. `environment`: $STORAGE_DRIVER, "" if unset. `best`: asked only if nothing else
// decides. The flag wins, then the one driver the root holds something of, then the environment, then `best`.
// UserError, listing each with its image count, if the root holds several and neither flag nor environment names one of
// them.
std::string choose_driver(const std::string& named, const std::string& environment, const std::vector<HeldDriver>& held,
                          const std::function<std::string()>& best);

}  // namespace cairn
