// What drivers share whose layers are directories that hold a whole tree: vfs, btrfs.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "core/interfaces/driver.h"
#include "drivers/sys/home.h"

namespace cairn {

class WholeTreeDriver : public Driver {
 public:
  bool layers_stand_alone() const noexcept override { return true; }
  bool exists(const LayerId& id) const override { return home_.exists(id); }
  std::vector<LayerId> list() const override { return home_.list(); }
  Tree tree(const LayerId& id) const override;
  int64_t layer_size(const LayerId& id, int64_t content_bytes) const override;
  uint64_t disk_usage(const LayerId& id) const override;
  std::optional<std::filesystem::path> mounted(const LayerId& id) const override;
  void mount(const LayerId& id, Access access, const std::filesystem::path& target) override;  // a bind mount
  int home_fd() const override { return home_.fd(); }

  LayerHome& home() { return home_; }

 protected:
  WholeTreeDriver(const std::filesystem::path& root, const std::string& home) : home_(root, home, 0710) {}
  void require_unmounted(const LayerId& id) const;  // throws in_use
  // What root alone can do is not to be done; `why` goes on after "not root: ".
  DriverStatus status_without_root(const std::string& why) const;

  LayerHome home_;
};

// Throws unsupported for an option that asks for a quota (one of `quotas`), invalid for any other.
void refuse_options(const std::string& driver, const DriverOptions& options, const std::vector<std::string>& quotas);

}  // namespace cairn
