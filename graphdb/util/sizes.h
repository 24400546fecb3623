#pragma once

#include <cstdint>

namespace cairn {

// Sizes are an engine's notes and may hold anything: a sum that does not fit is the largest number.
inline int64_t add_sizes(int64_t a, int64_t b) noexcept {
  int64_t sum = 0;
  return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

}  // namespace cairn
