#include "cli/driver_choice.h"

#include <fmt/format.h>

#include <algorithm>

#include "cli/exit.h"

namespace cairn {

static UserError several(const std::vector<HeldDriver>& full) {
  std::string list;
  for (const auto& driver : full)
    list += fmt::format("{}{} ({} image{})", list.empty() ? "" : ", ", driver.name, driver.images,
                        driver.images == 1 ? "" : "s");
  return {Errc::invalid,
          "choosing the storage driver: the root holds several: " + list + "; name one with --storage-driver"};
}

std::string choose_driver(const std::string& named, const std::string& environment, const std::vector<HeldDriver>& held,
                          const std::function<std::string()>& best) {
  if (!named.empty()) return named;
  std::vector<HeldDriver> full;
  std::copy_if(held.begin(), held.end(), std::back_inserter(full), [](const HeldDriver& one) { return !one.empty(); });
  // Engines leave empty directories of every driver they ever tried.
  if (full.size() == 1) return full.front().name;
  const auto is_environment = [&](const HeldDriver& one) { return one.name == environment; };
  if (full.size() > 1 && std::none_of(full.begin(), full.end(), is_environment)) throw several(full);
  if (!environment.empty()) return environment;
  return held.size() == 1 ? held.front().name : best();
}

}  // namespace cairn
