#include "core/util/interrupt.h"

#include "core/util/error.h"

namespace cairn {

std::atomic<bool> interrupt_requested{false};

void check_interrupt() {
  if (interrupt_requested.load(std::memory_order_relaxed)) throw Error(Errc::interrupted, "interrupted");
}

}  // namespace cairn
