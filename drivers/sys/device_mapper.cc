#include "drivers/sys/device_mapper.h"

#include <libdevmapper.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdarg>
#include <cstdio>
#include <cstring>
#include <memory>
#include <mutex>
#include <thread>

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

// Where no udevd answers, waiting for one would hang: the library then makes the nodes itself. The socket of one that
// died stays, so its name alone says nothing. DM_DISABLE_UDEV in the environment is the library's own way to say no.
bool udev_answers() {
  const Fd fd(::socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::strcpy(address.sun_path, "/run/udev/control");
  return fd && ::connect(fd.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
}

void use_udev_or_not() {
  static const bool once = [] {
    dm_log_with_errno_init(keep_message);
    const bool udev = udev_answers();
    dm_udev_set_sync_support(udev);
    dm_udev_set_checking(udev);
    return true;
  }();
  static_cast<void>(once);
}

// Like dm_udev_wait(), but a udevd without device-mapper's rules never completes a cookie: then we do, and go on with
// nodes of our own. False if waiting failed.
bool wait_for_udev(uint32_t cookie) {
  constexpr auto kStep = std::chrono::milliseconds(5), kLongest = std::chrono::milliseconds(60'000);
  if (cookie == 0 || dm_udev_get_sync_support() == 0) return true;
  int ready = 0;
  for (auto waited = kStep; waited < kLongest; waited += kStep) {
    if (dm_udev_wait_immediate(cookie, &ready) == 0) return false;
    if (ready != 0) return true;
    std::this_thread::sleep_for(kStep);
  }
  const bool completed = dm_udev_complete(cookie) != 0 && dm_udev_wait(cookie) != 0;
  dm_udev_set_sync_support(0);
  dm_udev_set_checking(0);
  return completed;
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
  // As run(), waiting for udev's part in it. The errno `absent_is` is success.
  void run_with_cookie(int absent_is = -1) const {
    uint32_t cookie = 0;
    check(dm_task_set_cookie(task_.get(), &cookie, 0));
    const int err = try_run();
    const bool waited = wait_for_udev(cookie);
    if (err == absent_is) return;
    if (err != 0) fail(err);
    check(waited ? 1 : 0);
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
  if (kind == DM_DEVICE_STATUS) task.check(dm_task_no_flush(task.get()));  // a pool would commit, one that is full too
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

// A device that is gone by now is neither suspended nor resumed, and that is all right.
void simple(int kind, const std::string& doing, const std::string& name) {
  const Task task(kind, doing, name);
  if (kind == DM_DEVICE_RESUME) return task.run_with_cookie(ENXIO);
  const int err = task.try_run();
  if (err != 0 && err != ENXIO) task.fail(err);
}

void make_node(const std::string& name) {
  const Task task(DM_DEVICE_MKNODES, "making the node of", name);
  task.run();
  dm_task_update_nodes();
}

}  // namespace

// Asking a kernel from 5.2 on for a target's version loads the target's module, like using it would.
static bool loads(const std::string& target) {
  const Task task(DM_DEVICE_GET_TARGET_VERSION, "looking for the target of", target);
  return task.try_run() == 0;
}

static DeviceMapper::Missing why_no_answer(const Error& failure) {
  constexpr const char* kControl = "/dev/mapper/control";
  const Fd control(::open(kControl, O_RDWR | O_CLOEXEC));
  const int err = control ? 0 : errno;
  if (err == EPERM || err == EACCES)
    return {std::string(kControl) + " may not be opened: " + std::strerror(err),
            "in a container, allow the device and pass it in"};
  if (err != 0)
    return {std::string("this kernel has no device-mapper (") + kControl + ": " + std::strerror(err) + ")",
            "'modprobe dm_thin_pool' may add it; in a container, pass /dev/mapper/control in"};
  return {std::string("this kernel's device-mapper does not answer: ") + failure.what(),
          "'modprobe dm_thin_pool' may help"};
}

DeviceMapper::Missing DeviceMapper::missing(const std::vector<std::string>& targets) {
  if (::geteuid() != 0) return {"not root: device-mapper needs it", "run as root"};
  std::vector<std::string> missing = targets;
  try {
    const Task task(DM_DEVICE_LIST_VERSIONS, "listing the targets of", "");
    task.run();
    for (const dm_versions* at = dm_task_get_versions(task.get());;) {
      std::erase(missing, std::string(at->name));
      if (at->next == 0) break;
      at = reinterpret_cast<const dm_versions*>(reinterpret_cast<const char*>(at) + at->next);
    }
  } catch (const Error& e) {
    return why_no_answer(e);
  }
  std::erase_if(missing, loads);
  if (missing.empty()) return {};
  return {"this kernel's device-mapper has no target '" + missing[0] + "'", "'modprobe dm_thin_pool' may add it"};
}

std::optional<DmInfo> DeviceMapper::info(const std::string& name) {
  const Task task(DM_DEVICE_INFO, "looking at", name);
  const int err = task.try_run();
  if (err == ENXIO) return std::nullopt;
  if (err != 0) task.fail(err);
  const dm_info info = info_of(task);
  if (!info.exists) return std::nullopt;
  const char* uuid = dm_task_get_uuid(task.get());
  return DmInfo{info.suspended != 0,  info.read_only != 0, info.deferred_remove != 0,
                info.live_table != 0, info.open_count,     uuid == nullptr ? "" : uuid};
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

void DeviceMapper::create(const std::string& name, const std::vector<DmTarget>& table, DmAccess access,
                          const std::string& uuid) {
  const Task task(DM_DEVICE_CREATE, "making", name);
  if (!uuid.empty()) task.check(dm_task_set_uuid(task.get(), uuid.c_str()));
  add_targets(task, table);
  if (access == DmAccess::read_only) task.check(dm_task_set_ro(task.get()));
  task.check(dm_task_set_add_node(task.get(), DM_ADD_NODE_ON_CREATE));
  task.run_with_cookie();
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
  task.check(deferred ? dm_task_deferred_remove(task.get()) : dm_task_retry_remove(task.get()));
  task.run_with_cookie(ENXIO);
}

// Returns 0, or one of the two errors that tell something. A deferred removal is busy with a device some time longer
// than its name is there.
static int send(const std::string& doing, const std::string& name, const std::string& text) {
  constexpr int kTries = 1000;
  for (int tries = 0;; ++tries) {
    const Task task(DM_DEVICE_TARGET_MSG, doing, name);
    task.check(dm_task_set_sector(task.get(), 0));
    task.check(dm_task_set_message(task.get(), text.c_str()));
    const int err = task.try_run();
    if (err == 0 || err == ENXIO || err == ENODATA) return err;
    if (err != EBUSY || tries == kTries) task.fail(err);
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
}

bool DeviceMapper::keep(const std::string& name) {
  if (send("keeping", name, "@cancel_deferred_remove") != 0) return false;
  make_node(name);
  return true;
}

static std::string link_of(const std::string& name) { return "/dev/mapper/" + name; }

std::string DeviceMapper::node(const std::string& name) {
  const Task task(DM_DEVICE_INFO, "looking for", name);
  if (task.try_run() != 0) return link_of(name);
  const dm_info info = info_of(task);
  const std::string own = "/dev/dm-" + std::to_string(info.minor);
  const auto st = stat_at(AT_FDCWD, own);
  const bool is_it = info.exists && st && S_ISBLK(st->st_mode) && st->st_rdev == makedev(info.major, info.minor);
  return is_it ? own : link_of(name);
}

void DeviceMapper::ensure_node(const std::string& name) {
  if (!exists_at(AT_FDCWD, link_of(name))) make_node(name);
}

void DeviceMapper::message(const std::string& name, const std::string& text) {
  if (!try_message(name, text)) throw_errno("sending '" + text + "' to the device '" + printable(name) + "'", ENODATA);
}

bool DeviceMapper::try_message(const std::string& name, const std::string& text) {
  const int err = send("sending '" + text + "' to", name, text);
  if (err == ENXIO) throw_errno("sending '" + text + "' to the device '" + printable(name) + "'", err);
  return err == 0;
}

}  // namespace cairn
