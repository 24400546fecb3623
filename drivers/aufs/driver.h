// aufs' layers on disk, in terms of core's contracts. See aufs.h for how to open it.
//
// A layer exists when layers/ID does, which is written last and removed first. Before that it is built in its final
// directory; what a crash leaves in diff/ and mnt/, or under the names ID-removing that the engine gives to what it
// deletes, is listed, and removed with the layer.
#pragma once

#include "core/interfaces/driver.h"
#include "drivers/sys/home.h"

namespace cairn::aufs {

class Aufs : public Driver {
 public:
  explicit Aufs(const std::filesystem::path& root) : home_(root, "aufs", 0710) {}

  std::string_view name() const noexcept override { return "aufs"; }
  DriverStatus probe() const override;
  bool layers_stand_alone() const noexcept override { return false; }
  bool exists(const LayerId& id) const override;
  std::vector<LayerId> list() const override;
  void create(const LayerId& id, const std::optional<LayerId>& parent) override;
  std::unique_ptr<DiffTarget> begin(const LayerId& id) override;
  void remove(const LayerId& id) override;
  std::optional<std::filesystem::path> mounted(const LayerId& id) const override;
  Tree tree(const LayerId& id) const override;
  Tree tree_over(const LayerId& id, const std::vector<LayerId>& ancestors) const override;
  std::vector<Damage> examine(const LayerParents& parents) const override;
  int64_t layer_size(const LayerId& id, int64_t content_bytes) const override;
  uint64_t disk_usage(const LayerId& id) const override;
  void mount(const LayerId& id, Access access, const std::filesystem::path& target) override;
  int home_fd() const override { return home_.fd(); }

  LayerHome& home() { return home_; }
  void discard(const LayerId& id) const;  // whatever there is of it

 private:
  Fd open_diff(const LayerId& id) const;  // corrupt when it is missing
  std::vector<std::shared_ptr<const Fd>> open_branches(const LayerId& id, const std::vector<LayerId>& ancestors) const;
  void check_writable(const LayerId& id) const;
  void mount_aufs(const LayerId& id, const std::vector<LayerId>& parents, Access access,
                  const std::filesystem::path& target);
  void mount_masked(const LayerId& id, const std::vector<LayerId>& parents, const std::filesystem::path& target);

  LayerHome home_;
};

}  // namespace cairn::aufs
