// Inside the overlay driver.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "core/interfaces/driver.h"
#include "drivers/sys/home.h"
#include "drivers/sys/layer_stage.h"
#include "drivers/sys/overlay_probe.h"

namespace cairn::overlay {

class Overlay : public Driver {
 public:
  explicit Overlay(const std::filesystem::path& root) : home_(root, "overlay", 0710) {}

  std::string_view name() const noexcept override { return "overlay"; }
  DriverStatus probe() const override { return probe_overlay(home_); }
  bool layers_stand_alone() const noexcept override { return false; }  // a container's does not
  bool exists(const LayerId& id) const override { return home_.exists(id); }
  std::vector<LayerId> list() const override { return home_.list(); }
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
  std::optional<Fd> try_root(const LayerId& id) const;  // nullopt for containers

 private:
  Fd open_part(const LayerId& id, const std::string& part) const;  // corrupt when missing
  LayerId lower_of(const LayerId& id) const;
  std::optional<LayerId> image_layer_in(const std::vector<LayerId>& ancestors) const;
  Tree tree_of_root(const LayerId& id) const;
  void bind_root(const LayerId& id, int root, Access access, const std::filesystem::path& target) const;

  LayerHome home_;
};

// An image layer in the making: its entries lie in what becomes ID/root once the parent's are added.
class ImageLayer : public OverlayMarking {
 public:
  ImageLayer(Overlay& driver, const LayerId& id);
  int root_fd() const override { return root_.get(); }
  void finish(const std::optional<LayerId>& parent, const std::vector<std::string>& implied_dirs) override;

 private:
  Overlay& driver_;
  LayerStage stage_;
  Fd root_;
};

}  // namespace cairn::overlay
