#include "drivers/sys/project_quota.h"

#include <fcntl.h>
#include <linux/dqblk_xfs.h>
#include <linux/fs.h>
#include <linux/quota.h>
#include <sys/ioctl.h>
#include <sys/quota.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <mutex>
#include <string>

#include "core/util/error.h"
#include "core/util/fd.h"

namespace cairn {

static constexpr const char* kNode = "backingFsBlockDev";

[[noreturn]] static void throw_unsupported() {
  throw Error(
      Errc::unsupported,
      "limiting the size of a layer: its file system keeps no project quotas, or was mounted with nodev; they need "
      "xfs mounted with the option pquota");
}

// 0 where there are no projects.
static uint32_t project_of(int dir) {
  fsxattr attributes{};
  return ::ioctl(dir, FS_IOC_FSGETXATTR, &attributes) == 0 ? attributes.fsx_projid : 0;
}

static void join_project(int dir, uint32_t project) {
  fsxattr attributes{};
  if (::ioctl(dir, FS_IOC_FSGETXATTR, &attributes) != 0) throw_unsupported();
  attributes.fsx_projid = project;
  attributes.fsx_xflags |= FS_XFLAG_PROJINHERIT;
  if (::ioctl(dir, FS_IOC_FSSETXATTR, &attributes) != 0)
    throw_errno("making '" + printable(path_of(dir)) + "' a project of its own");
}

// The node of the device that `home` lies on; its number may have changed since another boot.
static std::string device_node(int home) {
  struct stat own;
  if (::fstat(home, &own) != 0) throw_errno("reading the status of '" + printable(path_of(home)) + "'");
  const auto node = stat_at(home, kNode);
  if (!node || !S_ISBLK(node->st_mode) || node->st_rdev != own.st_dev) {
    if (node && ::unlinkat(home, kNode, 0) != 0) throw_errno("replacing the node '" + std::string(kNode) + "'");
    if (::mknodat(home, kNode, S_IFBLK | 0600, own.st_dev) != 0)
      throw_errno("making the node '" + std::string(kNode) + "'");
  }
  return "/proc/self/fd/" + std::to_string(home) + "/" + kNode;
}

static int quota_call(int command, const std::string& node, uint32_t project, fs_disk_quota& quota) {
  return ::quotactl(QCMD(command, PRJQUOTA), node.c_str(), static_cast<int>(project), reinterpret_cast<char*>(&quota));
}

// Somebody has files in it: another store on the same file system counts from the same number.
static bool in_use(const std::string& node, uint32_t project) {
  fs_disk_quota quota{};
  return quota_call(Q_XGETQUOTA, node, project, quota) == 0 && (quota.d_bcount > 0 || quota.d_icount > 0);
}

static uint32_t free_project(int home, const std::string& node) {
  uint32_t highest = project_of(home);
  for (const auto& name : list_dir(home)) {
    const auto st = stat_at(home, name);
    if (!st || !S_ISDIR(st->st_mode)) continue;
    const auto dir = try_open_at(home, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW);
    if (dir) highest = std::max(highest, project_of(dir->get()));
  }
  uint32_t next = highest + 1;
  while (in_use(node, next)) ++next;
  return next;
}

void limit_directory(int home, int dir, uint64_t bytes) {
  static std::mutex one_at_a_time;  // two must not find the same number
  const std::lock_guard lock(one_at_a_time);
  const std::string node = device_node(home);
  const uint32_t project = free_project(home, node);
  fs_disk_quota quota{};
  quota.d_version = FS_DQUOT_VERSION;
  quota.d_flags = FS_PROJ_QUOTA;
  quota.d_fieldmask = FS_DQ_BHARD | FS_DQ_BSOFT;
  quota.d_id = project;
  quota.d_blk_hardlimit = quota.d_blk_softlimit = std::max<uint64_t>(bytes / 512, 1);  // 0 would be none
  if (quota_call(Q_XSETQLIM, node, project, quota) != 0) {
    if (errno == EPERM || errno == EIO) throw_errno("limiting the size of a layer");  // EACCES: nodev
    throw_unsupported();
  }
  join_project(dir, project);
}

}  // namespace cairn
