#include "drivers/sys/whole_tree.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>

#include "core/util/error.h"
#include "core/util/usage.h"
#include "drivers/sys/mount.h"

namespace cairn {

Tree WholeTreeDriver::tree(const LayerId& id) const {
  return Tree({Branch{std::make_shared<Fd>(home_.open(id)), WhiteoutStyle::none}});
}

int64_t WholeTreeDriver::layer_size(const LayerId& id, int64_t content_bytes) const {
  home_.open(id);
  return content_bytes;
}

uint64_t WholeTreeDriver::disk_usage(const LayerId& id) const { return usage_of(home_.open(id).get()).on_disk; }

void WholeTreeDriver::mount(const LayerId& id, Access access, const std::filesystem::path& target) {
  const Fd layer = home_.open(id);
  MountGuard(bind_spec(path_of(layer.get()), free_mount_point(target), access == Access::read_only)).release();
}

std::optional<std::filesystem::path> WholeTreeDriver::mounted(const LayerId& id) const {
  return home_.exists(id) ? mounted_on(home_, id.str(), {id.str()}) : std::nullopt;
}

void WholeTreeDriver::require_unmounted(const LayerId& id) const {
  if (const auto target = mounted(id)) throw_mounted(*target);
}

DriverStatus WholeTreeDriver::status_without_root(const std::string& why) const {
  DriverStatus status;
  const auto home = home_.try_fd();
  status.readable = !home || ::faccessat(*home, ".", R_OK | X_OK, AT_EACCESS) == 0;
  status.writable = status.mountable = false;
  status.why_not = "not root: " + why;
  status.remedy = "run as root";
  return status;
}

void refuse_options(const std::string& driver, const DriverOptions& options, const std::vector<std::string>& quotas) {
  for (const auto& [key, value] : options.storage_opts)
    if (std::find(quotas.begin(), quotas.end(), key) != quotas.end())
      throw Error(Errc::unsupported, "opening " + driver + ": storage option '" + key + "=" + printable(value) +
                                         "': cairn sets no quotas");
    else
      throw Error(Errc::invalid, "opening " + driver + ": it has no storage option '" + printable(key) + "'");
}

}  // namespace cairn
