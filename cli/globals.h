// Flags every command takes, before or after its name.
#pragma once

#include <string>
#include <vector>

#include "cli/output/progress.h"

namespace cairn {

struct Globals {
  std::string root = "/var/lib/docker";
  std::string driver;                        // "" unless the flag names one
  std::vector<std::string> storage_options;  // "K=V", checked
  unsigned jobs = 1;
  bool json = false;
  ProgressStyle progress = ProgressStyle::automatic;
};

}  // namespace cairn
