#include "core/util/workers.h"

#include <sched.h>

#include <algorithm>
#include <atomic>
#include <charconv>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <queue>
#include <sstream>
#include <thread>

#include "core/util/error.h"
#include "core/util/fd.h"
#include "core/util/interrupt.h"

namespace cairn {

static unsigned cpus_by_affinity() {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0) return std::max(1u, std::thread::hardware_concurrency());
  return static_cast<unsigned>(std::max(1, CPU_COUNT(&set)));
}

static std::optional<std::string> read_quota(const std::string& path) {
  try {
    return try_read_file_at(AT_FDCWD, path, 4096);
  } catch (const Error&) {
    return std::nullopt;  // no such controller here: no quota
  }
}

// Path of this process in the hierarchy of `controller` ("" for the unified one).
static std::string cgroup_of(const std::string& controller) {
  std::istringstream lines(read_quota("/proc/self/cgroup").value_or(""));
  for (std::string line; std::getline(lines, line);) {
    const size_t first = line.find(':'), second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string names = "," + line.substr(first + 1, second - first - 1) + ",";
    if (controller.empty() ? names == ",," : names.find("," + controller + ",") != std::string::npos)
      return line.substr(second + 1);
  }
  return "/";
}

static unsigned cpus_by_quota(unsigned most) {
  double quota = 0, period = 0;
  if (const auto v2 = read_quota("/sys/fs/cgroup" + cgroup_of("") + "/cpu.max")) {
    std::istringstream(*v2) >> quota >> period;  // "max 100000" leaves quota 0
  } else {
    const std::string v1 = "/sys/fs/cgroup/cpu" + cgroup_of("cpu");
    std::istringstream(read_quota(v1 + "/cpu.cfs_quota_us").value_or("")) >> quota;
    std::istringstream(read_quota(v1 + "/cpu.cfs_period_us").value_or("")) >> period;
  }
  if (quota <= 0 || period <= 0) return most;
  return std::clamp(static_cast<unsigned>(quota / period + 0.5), 1u, most);
}

unsigned available_cpus() { return cpus_by_quota(cpus_by_affinity()); }

namespace {

class Crew {
 public:
  Crew(unsigned count, const std::function<void()>& work) {
    for (unsigned i = 1; i < count; ++i) threads_.emplace_back(work);
    work();  // the caller is one of the crew
    for (auto& thread : threads_) thread.join();
  }

 private:
  std::vector<std::thread> threads_;
};

}  // namespace

void run_parallel(unsigned jobs, size_t count, const std::function<void(size_t)>& task) {
  std::mutex mutex;
  std::exception_ptr first;
  size_t first_index = count;
  std::atomic<size_t> next{0};
  const Crew crew(static_cast<unsigned>(std::clamp<size_t>(count, 1, std::max(jobs, 1u))), [&] {
    for (size_t i = next++; i < count; i = next++) {
      try {
        task(i);
      } catch (...) {
        const std::lock_guard lock(mutex);
        if (i < first_index) first = std::current_exception(), first_index = i;
        next = count;
      }
    }
  });
  if (first) std::rethrow_exception(first);
}

namespace {

// State of one run_graph call; all members are guarded by `mutex_`.
class GraphRun {
 public:
  GraphRun(const TaskGraph& graph) : graph_(graph), waiting_(graph.needs.size()), users_(graph.needs.size()) {
    cause_.resize(graph.needs.size());
    for (size_t i = 0; i < graph.needs.size(); ++i) {
      waiting_[i] = graph.needs[i].size();
      for (size_t need : graph.needs[i]) users_.at(need).push_back(i);
      if (waiting_[i] == 0) ready_.push(i);
    }
  }

  void work() {
    std::unique_lock lock(mutex_);
    for (;;) {
      changed_.wait(lock, [&] { return !ready_.empty() || running_ == 0 || stop_; });
      if (stop_ || ready_.empty()) break;
      const size_t i = ready_.top();
      ready_.pop();
      ++running_;
      lock.unlock();
      const std::string failure = run_one(i);
      lock.lock();
      --running_;
      finish(i, failure);
      changed_.notify_all();
    }
    changed_.notify_all();
  }

  void end() const {
    if (stop_) std::rethrow_exception(stop_);
    if (done_ != graph_.needs.size()) throw Error(Errc::invalid, "running tasks in order: they wait for each other");
  }

 private:
  // "" or why it failed. Called without the lock.
  std::string run_one(size_t i) {
    if (!cause_[i].empty()) return cause_[i];
    try {
      graph_.run(i);
      return "";
    } catch (const Error& e) {
      if (e.code() == Errc::interrupted) {
        const std::lock_guard lock(mutex_);
        stop_ = std::current_exception();
      }
      return e.what();
    } catch (const std::exception& e) {
      return e.what();
    }
  }

  void finish(size_t i, const std::string& failure) {
    ++done_;
    if (!failure.empty() && !stop_) graph_.failed(i, failure);
    for (size_t user : users_[i]) {
      if (!failure.empty() && cause_[user].empty()) cause_[user] = failure;
      if (--waiting_[user] == 0) ready_.push(user);
    }
  }

  const TaskGraph& graph_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::priority_queue<size_t, std::vector<size_t>, std::greater<>> ready_;  // low indices first
  std::vector<size_t> waiting_;
  std::vector<std::vector<size_t>> users_;
  std::vector<std::string> cause_;  // of a task that must not run: why one of its prerequisites failed
  std::exception_ptr stop_;
  size_t running_ = 0, done_ = 0;
};

}  // namespace

void run_graph(unsigned jobs, const TaskGraph& graph) {
  if (graph.needs.empty()) return;
  GraphRun run(graph);
  const Crew crew(static_cast<unsigned>(std::clamp<size_t>(graph.needs.size(), 1, std::max(jobs, 1u))),
                  [&] { run.work(); });
  run.end();
}

}  // namespace cairn
