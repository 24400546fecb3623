#include "drivers/sys/mount.h"

#include <fcntl.h>
#include <libmount/libmount.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdio>
#include <exception>
#include <functional>
#include <memory>
#include <thread>

#include "core/interfaces/driver.h"
#include "core/util/error.h"
#include "drivers/sys/mount_table.h"

namespace cairn {

namespace fs = std::filesystem;

namespace {

using Context = std::unique_ptr<libmnt_context, int (*)(libmnt_context*)>;

Context new_context(const std::string& target) {
  Context context(mnt_new_context(), [](libmnt_context* own) {
    mnt_free_context(own);
    return 0;
  });
  if (!context) throw Error(Errc::io, "mounting: out of memory");
  mnt_context_disable_mtab(context.get(), 1);
  mnt_context_disable_helpers(context.get(), 1);
  mnt_context_disable_canonicalize(context.get(), 1);
  mnt_context_set_optsmode(context.get(), MNT_OMODE_NOTAB);
  if (mnt_context_set_target(context.get(), target.c_str()) != 0) throw Error(Errc::io, "mounting: out of memory");
  return context;
}

// libmount gives 0, a negative errno of its own, or says that the system call failed and why.
int errno_of(const Context& context, int rc) {
  const int err = mnt_context_syscall_called(context.get()) ? mnt_context_get_syscall_errno(context.get()) : 0;
  return err != 0 ? err : rc < 0 ? -rc : rc != 0 ? EIO : 0;
}

int mount_errno(const MountSpec& spec) {
  const Context context = new_context(spec.target);
  const std::string source = spec.source.empty() ? "none" : spec.source;
  std::string data = spec.data;
  mnt_context_set_source(context.get(), source.c_str());
  mnt_context_set_fstype(context.get(), spec.type.empty() ? "none" : spec.type.c_str());
  mnt_context_set_mflags(context.get(), spec.flags);
  mnt_context_enable_rwonly_mount(context.get(), (spec.flags & MS_RDONLY) == 0);  // never read-only behind our back
  if (!data.empty()) mnt_context_set_mountdata(context.get(), data.data());
  return errno_of(context, mnt_context_mount(context.get()));
}

// In a thread with a current directory of its own. Returns what `body` returns.
int in_directory(const fs::path& directory, const std::function<int()>& body) {
  int result = 0;
  std::exception_ptr thrown;
  std::thread([&] {
    try {
      if (::unshare(CLONE_FS) != 0 || ::chdir(directory.c_str()) != 0)
        throw_errno("changing to '" + printable(directory.string()) + "'");
      result = body();
    } catch (...) {
      thrown = std::current_exception();
    }
  }).join();
  if (thrown) std::rethrow_exception(thrown);
  return result;
}

[[noreturn]] void throw_mount_error(const MountSpec& spec, int err) {
  const bool bind = (spec.flags & MS_BIND) != 0;
  const std::string what = bind ? "binding '" + printable(spec.source) + "'" : "mounting " + printable(spec.type);
  const std::string options = spec.data.empty() ? "" : " (" + printable(spec.data, 200) + ")";
  const std::string doing = what + " on '" + printable(spec.target.string()) + "'" + options;
  if (err == ENODEV)
    throw Error(Errc::unsupported, doing + ": the kernel has no " + printable(spec.type) + "; 'modprobe " +
                                       printable(spec.type) + "' may add it");
  if (err == EPERM) throw Error(Errc::unsupported, doing + ": Operation not permitted; mounting needs CAP_SYS_ADMIN");
  throw_errno(doing, err);
}

// A read-only remount of a bind mount replaces all its flags, so those of the file system below are said again.
unsigned long locked_flags(const fs::path& target) {
  struct statvfs st;
  if (::statvfs(target.c_str(), &st) != 0)
    throw_errno("reading the mount flags of '" + printable(target.string()) + "'");
  unsigned long flags = 0;
  const std::pair<unsigned long, unsigned long> pairs[] = {{ST_NOSUID, MS_NOSUID},         {ST_NODEV, MS_NODEV},
                                                           {ST_NOEXEC, MS_NOEXEC},         {ST_NOATIME, MS_NOATIME},
                                                           {ST_NODIRATIME, MS_NODIRATIME}, {ST_RELATIME, MS_RELATIME}};
  for (const auto& [shown, wanted] : pairs)
    if (st.f_flag & shown) flags |= wanted;
  return flags;
}

void do_mount(const MountSpec& spec) {
  const int err =
      spec.directory.empty() ? mount_errno(spec) : in_directory(spec.directory, [&] { return mount_errno(spec); });
  if (err != 0) throw_mount_error(spec, err);
}

}  // namespace

MountSpec bind_spec(const fs::path& source, const fs::path& target, bool read_only) {
  MountSpec spec;
  spec.source = source;
  spec.target = target;
  spec.flags = MS_BIND | (read_only ? static_cast<unsigned long>(MS_RDONLY) : 0);
  return spec;
}

MountGuard::MountGuard(const MountSpec& spec) {
  MountSpec first = spec;
  const bool remount = (spec.flags & MS_BIND) && (spec.flags & MS_RDONLY);
  if (remount) first.flags &= ~static_cast<unsigned long>(MS_RDONLY);
  do_mount(first);
  target_ = spec.target;
  if (!remount) return;
  try {
    MountSpec second = spec;
    second.flags = MS_REMOUNT | MS_BIND | MS_RDONLY | locked_flags(spec.target);
    do_mount(second);
  } catch (...) {
    ::umount2(target_.c_str(), MNT_DETACH | UMOUNT_NOFOLLOW);  // nobody has seen it
    target_.clear();
    throw;
  }
}

MountGuard::~MountGuard() {
  try {
    if (!target_.empty()) unmount();
  } catch (const std::exception& e) {
    std::fprintf(stderr, "cairn: warning: %s\n", e.what());
  }
}

void MountGuard::unmount() {
  cairn::unmount(target_);
  target_.clear();
}

fs::path free_mount_point(const fs::path& target) {
  std::error_code failed;
  const fs::path canonical = fs::canonical(target, failed);
  const std::string doing = "mounting on '" + printable(target.string()) + "'";
  if (failed) throw_errno(doing, failed.value());
  if (!fs::is_directory(canonical, failed)) throw Error(Errc::invalid, doing + ": it is no directory");
  if (is_mount_point(canonical))
    throw Error(Errc::in_use, doing + ": something is mounted there already; unmount it first");
  return canonical;
}

void unmount(const fs::path& target) {
  const std::string doing = "unmounting '" + printable(target.string()) + "'";
  std::error_code failed;
  const fs::path canonical = fs::canonical(target, failed);
  if (failed) throw_errno(doing, failed.value());
  if (!is_mount_point(canonical)) throw Error(Errc::not_found, doing + ": nothing is mounted there");
  const Context context = new_context(canonical);
  const int err = errno_of(context, mnt_context_umount(context.get()));
  if (err == EBUSY) throw Error(Errc::in_use, doing + ": a process has files or its current directory in it");
  if (err != 0) throw_errno(doing, err);
}

bool kernel_has_file_system(const std::string& type) {
  const long context = ::syscall(SYS_fsopen, type.c_str(), FSOPEN_CLOEXEC);  // Linux 5.2
  if (context >= 0) ::close(static_cast<int>(context));
  if (context >= 0 || errno == ENODEV) return context >= 0;
  const auto known = try_read_file_at(AT_FDCWD, "/proc/filesystems");
  return known && known->find("\t" + type + "\n") != std::string::npos;
}

}  // namespace cairn
