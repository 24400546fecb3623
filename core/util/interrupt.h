// Ctrl-C: a signal handler sets the flag, long loops call check_interrupt(), which throws Errc::interrupted.
#pragma once

#include <atomic>

namespace cairn {

extern std::atomic<bool> interrupt_requested;
void check_interrupt();

}  // namespace cairn
