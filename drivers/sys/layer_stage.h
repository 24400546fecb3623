// What layers in the making have in common where a layer is one directory of a LayerHome.
#pragma once

#include <sys/types.h>

#include <string>

#include "core/interfaces/driver.h"
#include "drivers/sys/home.h"

namespace cairn {

// Marks what is gone as overlay does.
class OverlayMarking : public DiffTarget {
 public:
  void hide(int dir_fd, const std::string& name) override;
  void make_opaque(int dir_fd) override;
};

// The stage of `id`, deleted with this object unless it was published. `home` outlives it.
class LayerStage {
 public:
  LayerStage(LayerHome& home, const LayerId& id, mode_t mode);  // throws as LayerHome::begin does
  LayerStage(LayerHome& home, const LayerId& id, Fd stage) : home_(home), id_(id), fd_(std::move(stage)) {}  // reopened
  ~LayerStage();
  LayerStage(const LayerStage&) = delete;
  int fd() const { return fd_.get(); }
  const LayerId& id() const { return id_; }
  void publish();
  void leave() { left_ = true; }

 private:
  LayerHome& home_;
  LayerId id_;
  Fd fd_;
  bool published_ = false, left_ = false;
};

}  // namespace cairn
