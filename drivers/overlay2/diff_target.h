// An overlay2 layer in the making: its entries go straight into the directory that becomes ID/diff.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "drivers/overlay2/driver.h"
#include "drivers/sys/layer_stage.h"

namespace cairn::overlay2 {

class Overlay2Target : public OverlayMarking {
 public:
  Overlay2Target(Overlay2& driver, const LayerId& id, uint64_t size = 0);  // `size`: of all it may hold; 0: any
  ~Overlay2Target() override;
  int root_fd() const override { return diff_.get(); }
  bool leave() override { return left_ = true; }
  static std::unique_ptr<DiffTarget> reopen(Overlay2& driver, const LayerId& id);
  void finish(const std::optional<LayerId>& parent, const std::vector<std::string>& implied_dirs) override;

 private:
  Overlay2Target(Overlay2& driver, const LayerId& id, Fd stage) : driver_(driver), id_(id), stage_(std::move(stage)) {}
  void lie_on(const LayerId& parent, const std::vector<std::string>& implied_dirs);

  Overlay2& driver_;
  LayerId id_;
  Fd stage_, diff_;
  bool finished_ = false, left_ = false;
};

}  // namespace cairn::overlay2
