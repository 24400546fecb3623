// Work on all cores.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

namespace cairn {

// CPUs this process may use: affinity, then the cgroup's quota (v1 and v2), at least 1.
unsigned available_cpus();

// Runs task(0..count-1), in that order of starting, on up to `jobs` threads, and waits for all of them. A task that
// throws does not stop the others that are running; none is started after it, and the exception of the lowest index is
// rethrown.
void run_parallel(unsigned jobs, size_t count, const std::function<void(size_t)>& task);

// Tasks with prerequisites: task i starts when all `needs[i]` (indices) have ended without an exception. `failed(i,
// cause)` is called for a task that threw and for all that need it, directly or not; the rest go on. Cycles are the
// caller's mistake (Errc::invalid). Errc::interrupted stops everything and is rethrown.
struct TaskGraph {
  std::vector<std::vector<size_t>> needs;
  std::function<void(size_t)> run;
  std::function<void(size_t, const std::string& cause)> failed;
};
void run_graph(unsigned jobs, const TaskGraph& graph);

}  // namespace cairn
