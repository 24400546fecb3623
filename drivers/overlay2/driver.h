// overlay2's layers on disk, in terms of core's contracts. See overlay2.h for how to open it.
#pragma once

#include "core/interfaces/driver.h"
#include "drivers/overlay2/links.h"
#include "drivers/sys/home.h"
#include "drivers/sys/overlay_probe.h"

namespace cairn::overlay2 {

class Overlay2 : public Driver {
 public:
  // `created_size`: how many bytes a layer that create() makes may hold; 0 for any number.
  Overlay2(const std::filesystem::path& root, uint64_t created_size)
      : home_(root, "overlay2", 0710, {"l", "backingFsBlockDev"}), links_(home_), created_size_(created_size) {}

  std::string_view name() const noexcept override { return "overlay2"; }
  DriverStatus probe() const override { return probe_overlay(home_); }
  bool layers_stand_alone() const noexcept override { return false; }
  bool exists(const LayerId& id) const override { return home_.exists(id); }
  std::vector<LayerId> list() const override { return home_.list(); }
  void create(const LayerId& id, const std::optional<LayerId>& parent) override;
  std::unique_ptr<DiffTarget> begin(const LayerId& id) override;
  std::unique_ptr<DiffTarget> reopen(const LayerId& id) override;
  void remove(const LayerId& id) override;
  std::optional<std::filesystem::path> mounted(const LayerId& id) const override;
  Tree tree(const LayerId& id) const override;
  Tree tree_over(const LayerId& id, const std::vector<LayerId>& ancestors) const override;
  std::optional<Tree> own_files(const LayerId& id) const override;
  std::vector<Damage> examine(const LayerParents& parents) const override;
  int64_t layer_size(const LayerId& id, int64_t content_bytes) const override;
  uint64_t disk_usage(const LayerId& id) const override;
  void mount(const LayerId& id, Access access, const std::filesystem::path& target) override;
  int home_fd() const override { return home_.fd(); }

  LayerHome& home() { return home_; }
  const Links& links() const { return links_; }

 private:
  Fd open_diff(const LayerId& id) const;  // corrupt when it is missing
  void mount_writable(const LayerId& id, const Fd& layer, const std::vector<Lower>& lowers,
                      const std::filesystem::path& target);

  LayerHome home_;
  Links links_;
  uint64_t created_size_;
};

}  // namespace cairn::overlay2
