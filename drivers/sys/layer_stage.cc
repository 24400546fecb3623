#include "drivers/sys/layer_stage.h"

#include <cstdio>

#include "drivers/sys/overlay_marks.h"

namespace cairn {

void OverlayMarking::hide(int dir_fd, const std::string& name) { write_whiteout(dir_fd, name); }

void OverlayMarking::make_opaque(int dir_fd) { write_opaque(dir_fd); }

LayerStage::LayerStage(LayerHome& home, const LayerId& id, mode_t mode) : home_(home), id_(id) {
  home.make();
  fd_ = home.begin(id, mode);
}

LayerStage::~LayerStage() {
  if (published_ || left_) return;
  try {
    home_.discard(id_);
  } catch (const std::exception& e) {
    std::fprintf(stderr, "cairn: warning: %s\n", e.what());
  }
}

void LayerStage::publish() {
  home_.publish(id_);
  published_ = true;
}

}  // namespace cairn
