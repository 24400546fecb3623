#include "drivers/sys/device_mapper.h"

#include <libdevmapper.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <memory>
#include <mutex>

#include "core/util/error.h"
#include "core/util/fd.h"

namespace cairn {
namespace {

std::mutex one_at_a_time;  // libdevmapper keeps its state in globals
std::string last_message;  // what the library said last

__attribute__((format(printf, 5, 6))) void keep_message(int level, const char*, int, int, const char* format, ...) {
  constexpr int kErrors = 3;
  if ((level & 7) > kErrors) return;
  char text[512];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(text, sizeof text, format, arguments);
  va_end(arguments);
  last_message = text;
}

// Where no udevd answers, waiting for one would hang: the library then makes the nodes itself.
void use_udev_or_not() {
  static const bool once = [] {
    dm_log_with_errno_init(keep_message);
    const bool udev_runs = ::access("/run/udev/control", F_OK) == 0;
    dm_udev_set_sync_support(udev_runs);
    dm_udev_set_checking(udev_runs);
    return true;
  }();
  static_cast<void>(once);
}

// One ioctl. Lives under the lock.
class Task {
 public:
  Task(int kind, const std::string& doing, const std::string& name) : lock_(one_at_a_time), doing_(doing), name_(name) {
    use_udev_or_not();
    last_message.clear();
    task_.reset(dm_task_create(kind));
    if (!task_) fail(last_message.find("No such") != std::string::npos ? ENODEV : ENXIO);
    if (!name.empty()) check(dm_task_set_name(task_.get(), name.c_str()));
  }
  dm_task* get() const { return task_.get(); }
  void check(int done) const {
    if (done == 0) fail(EINVAL);
  }
  // The errno, 0 for success.
  int try_run() const {
    if (dm_task_run(task_.get()) != 0) return 0;
    const int err = dm_task_get_errno(task_.get());
    return err != 0 ? err : EIO;
  }
  void run() const {
    if (const int err = try_run()) fail(err);
  }
  // As run(), waiting for udev's part in it.
  void run_with_cookie(uint16_t flags) const {
    uint32_t cookie = 0;
    check(dm_task_set_cookie(task_.get(), &cookie, flags));
    const int err = try_run();
    const int waited = dm_udev_wait(cookie);
    if (err != 0) fail(err);
    check(waited);
    dm_task_update_nodes();
  }
  [[noreturn]] void fail(int err) const {
    const std::string detail = last_message.empty() ? "" : " (" + printable(last_message) + ")";
    throw_errno(doing_ + " the device '" + printable(name_) + "'" + detail, err);
  }

 private:
  struct Destroy {
    void operator()(dm_task* task) const { dm_task_destroy(task); }
  };
  std::lock_guard<std::mutex> lock_;
  std::string doing_, name_;
  std::unique_ptr<dm_task, Destroy> task_;
};

dm_info info_of(const Task& task) {
  dm_info info{};
  task.check(dm_task_get_info(task.get(), &info));
  return info;
}

void add_targets(const Task& task, const std::vector<DmTarget>& table) {
  for (const auto& target : table)
    task.check(
        dm_task_add_target(task.get(), target.start, target.sectors, target.type.c_str(), target.parameters.c_str()));
}

std::vector<DmTarget> targets(int kind, const std::string& doing, const std::string& name) {
  const Task task(kind, doing, name);
  task.run();
  std::vector<DmTarget> out;
  if (!info_of(task).exists) task.fail(ENXIO);
  void* next = nullptr;
  do {
    DmTarget target;
    char *type = nullptr, *parameters = nullptr;
    next = dm_get_next_target(task.get(), next, &target.start, &target.sectors, &type, &parameters);
    if (type == nullptr) continue;
    target.type = type;
    target.parameters = parameters == nullptr ? "" : parameters;
    out.push_back(std::move(target));
  } while (next != nullptr);
  return out;
}

void simple(int kind, const std::string& doing, const std::string& name) {
  const Task task(kind, doing, name);
  kind == DM_DEVICE_RESUME ? task.run_with_cookie(0) : task.run();
}

}  // namespace

std::string DeviceMapper::why_not(const std::vector<std::string>& targets) {
  if (::geteuid() != 0) return "not root: device-mapper needs it";
  try {
    const Task task(DM_DEVICE_LIST_VERSIONS, "listing the targets of", "");
    task.run();
    std::vector<std::string> missing = targets;
    for (const dm_versions* at = dm_task_get_versions(task.get());;) {
      std::erase(missing, std::string(at->name));
      if (at->next == 0) break;
      at = reinterpret_cast<const dm_versions*>(reinterpret_cast<const char*>(at) + at->next);
    }
    return missing.empty() ? "" : "this kernel's device-mapper has no target '" + missing[0] + "'";
  } catch (const Error&) {
    return "this kernel has no device-mapper";
  }
}

std::optional<DmInfo> DeviceMapper::info(const std::string& name) {
  const Task task(DM_DEVICE_INFO, "looking at", name);
  const int err = task.try_run();
  if (err == ENXIO) return std::nullopt;
  if (err != 0) task.fail(err);
  const dm_info info = info_of(task);
  if (!info.exists) return std::nullopt;
  return DmInfo{info.suspended != 0, info.read_only != 0, info.deferred_remove != 0,
                info.open_count,     info.major,          info.minor};
}

std::vector<std::string> DeviceMapper::list() {
  const Task task(DM_DEVICE_LIST, "listing", "");
  task.run();
  std::vector<std::string> out;
  const dm_names* at = dm_task_get_names(task.get());
  if (at == nullptr || at->dev == 0) return out;
  for (;;) {
    out.emplace_back(at->name);
    if (at->next == 0) break;
    at = reinterpret_cast<const dm_names*>(reinterpret_cast<const char*>(at) + at->next);
  }
  std::sort(out.begin(), out.end());
  return out;
}

std::vector<DmTarget> DeviceMapper::table(const std::string& name) {
  return targets(DM_DEVICE_TABLE, "reading the table of", name);
}

std::vector<DmTarget> DeviceMapper::status(const std::string& name) {
  return targets(DM_DEVICE_STATUS, "reading the status of", name);
}

void DeviceMapper::create(const std::string& name, const std::vector<DmTarget>& table, DmAccess access) {
  const Task task(DM_DEVICE_CREATE, "making", name);
  add_targets(task, table);
  if (access == DmAccess::read_only) task.check(dm_task_set_ro(task.get()));
  task.check(dm_task_set_add_node(task.get(), DM_ADD_NODE_ON_CREATE));
  task.run_with_cookie(0);
}

void DeviceMapper::reload(const std::string& name, const std::vector<DmTarget>& table) {
  const Task task(DM_DEVICE_RELOAD, "changing the table of", name);
  add_targets(task, table);
  task.run();
}

void DeviceMapper::suspend(const std::string& name) { simple(DM_DEVICE_SUSPEND, "suspending", name); }

void DeviceMapper::resume(const std::string& name) { simple(DM_DEVICE_RESUME, "resuming", name); }

void DeviceMapper::remove(const std::string& name, bool deferred) {
  const Task task(DM_DEVICE_REMOVE, "removing", name);
  if (deferred) task.check(dm_task_deferred_remove(task.get()));
  task.run_with_cookie(0);
}

bool DeviceMapper::keep(const std::string& name) {
  {
    const Task task(DM_DEVICE_TARGET_MSG, "keeping", name);
    task.check(dm_task_set_sector(task.get(), 0));
    task.check(dm_task_set_message(task.get(), "@cancel_deferred_remove"));
    const int err = task.try_run();
    if (err == ENXIO) return false;
    if (err != 0) task.fail(err);
  }
  const Task task(DM_DEVICE_MKNODES, "making the node of", name);
  task.run();
  dm_task_update_nodes();
  return true;
}

void DeviceMapper::message(const std::string& name, const std::string& text) {
  const Task task(DM_DEVICE_TARGET_MSG, "sending '" + text + "' to", name);
  task.check(dm_task_set_sector(task.get(), 0));
  task.check(dm_task_set_message(task.get(), text.c_str()));
  task.run();
}

}  // namespace cairn
