#pragma once

#include <string>

namespace cairn {

// One damaged thing; `kind` is a stable word for scripts.
struct Damage {
  std::string kind, object, detail;
  std::string repair{};  // what migrating does about it, and what that loses; "" where nobody asked
};

}  // namespace cairn
